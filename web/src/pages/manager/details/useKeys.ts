/** The keys of a plugin's storage, a part at a time. */
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../../api/client";
import { isAbort } from "../../../api/problem";

const STEP = 100;

export interface KeysState {
  /** Undefined until they are there. */
  keys: readonly string[] | undefined;
  error: unknown;
  loading: boolean;
  hasMore: boolean;
  more: () => void;
  reload: () => void;
}

interface Found {
  prefix: string;
  keys: readonly string[];
  next: string | null;
}

export function useKeys(id: string, prefix: string): KeysState {
  const [found, setFound] = useState<Found | undefined>(undefined);
  const [error, setError] = useState<unknown>(undefined);
  const [loading, setLoading] = useState(true);
  const asking = useRef<AbortController | null>(null);

  async function ask(from: Found | undefined): Promise<void> {
    asking.current?.abort();
    const mine = new AbortController();
    asking.current = mine;
    setLoading(true);
    try {
      const after = from?.next ?? undefined;
      const options = { limit: STEP, ...(prefix && { prefix }), ...(after !== undefined && { after }) };
      const { keys, next } = await api.kv.list(id, options, mine.signal);
      setFound({ prefix, keys: [...(from?.keys ?? []), ...keys], next });
      setError(undefined);
    } catch (reason) {
      if (mine.signal.aborted || isAbort(reason)) return;
      setError(reason);
    }
    if (asking.current === mine) setLoading(false);
  }

  // biome-ignore lint/correctness/useExhaustiveDependencies: `ask` is made of these
  useEffect(() => {
    // Not at every letter that is typed.
    const timer = setTimeout(() => void ask(undefined), found ? 200 : 0);
    return () => {
      clearTimeout(timer);
      asking.current?.abort();
    };
  }, [id, prefix]);

  return {
    keys: found?.keys,
    error,
    loading,
    hasMore: found?.next != null && found.prefix === prefix,
    more: () => void ask(found),
    reload: () => void ask(undefined),
  };
}
