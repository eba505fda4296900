/** What a page asks the core for. */
import { useCallback, useEffect, useState } from "preact/hooks";
import { isAbort } from "../api/problem";

export interface Loaded<T> {
  /** Undefined until it is there; kept while it is loaded again. */
  data: T | undefined;
  /** Why the last attempt failed; undefined where it did not. */
  error: unknown;
  loading: boolean;
  reload: () => void;
  /** Put in place what is known to be true now, as after a change; as a function, of what is there then. */
  set: (data: T | ((before: T) => T)) => void;
}

interface State<T> {
  key: string;
  data: T | undefined;
  error: unknown;
  loading: boolean;
}

/** Loads anew when `key` changes: whatever `load` depends on. What was loaded for another key is never shown. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, key: string): Loaded<T> {
  const [attempt, setAttempt] = useState(0);
  const [state, setState] = useState<State<T>>({ key, data: undefined, error: undefined, loading: true });

  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` says when `load` is another
  useEffect(() => {
    const abort = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    load(abort.signal).then(
      (data) => {
        if (!abort.signal.aborted) setState({ key, data, error: undefined, loading: false });
      },
      (error: unknown) => {
        if (abort.signal.aborted || isAbort(error)) return;
        setState((before) => ({
          key,
          data: before.key === key ? before.data : undefined,
          error,
          loading: false,
        }));
      },
    );
    return () => abort.abort();
  }, [key, attempt]);

  const reload = useCallback(() => setAttempt((before) => before + 1), []);
  const set = useCallback(
    (next: T | ((before: T) => T)) =>
      setState((before) => {
        if (typeof next !== "function") return { key, data: next, error: undefined, loading: false };
        if (before.key !== key || before.data === undefined) return before;
        return { ...before, data: (next as (before: T) => T)(before.data) };
      }),
    [key],
  );
  const mine = state.key === key;
  return {
    data: mine ? state.data : undefined,
    error: mine ? state.error : undefined,
    loading: state.loading || !mine,
    reload,
    set,
  };
}
