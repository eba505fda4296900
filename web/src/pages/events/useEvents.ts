/** All that happened, newest first: pages of it as they are wanted, and what comes live. */
import { useSignalEffect } from "@preact/signals";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import { isAbort } from "../../api/problem";
import type { PluginEvent } from "../../api/types";
import { opens } from "../../state/connection";
import { liveEvents, MOST_EVENTS, mergeEvents } from "../../state/events";

const STEP = 200;

export interface EventsState {
  /** Undefined until it is there. */
  events: readonly PluginEvent[] | undefined;
  error: unknown;
  loading: boolean;
  /** Whether there are older ones. */
  hasOlder: boolean;
  loadOlder: () => void;
}

/** `plugin` empty: of all plugins. */
export function useEvents(plugin: string): EventsState {
  const [events, setEvents] = useState<readonly PluginEvent[] | undefined>(undefined);
  const [error, setError] = useState<unknown>(undefined);
  const [loading, setLoading] = useState(false);
  const [hasOlder, setHasOlder] = useState(false);
  const nextPage = useRef(0);
  const asking = useRef<AbortController | null>(null);

  const load = useCallback(
    async (page: number) => {
      asking.current?.abort();
      const mine = new AbortController();
      asking.current = mine;
      setLoading(true);
      setError(undefined);
      try {
        // What happens meanwhile moves the pages on: then some come twice, and none is missed.
        const query = { page, page_size: STEP };
        const found = plugin
          ? await api.eventsOf(plugin, query, mine.signal)
          : await api.events(query, mine.signal);
        nextPage.current = Math.max(nextPage.current, page + 1);
        setEvents((known) => mergeEvents(known ?? [], found.events));
        setHasOlder(found.events.length === STEP);
        setLoading(false);
      } catch (thrown) {
        if (isAbort(thrown)) return;
        setError(thrown);
        setLoading(false);
      }
    },
    [plugin],
  );

  const opened = opens.value;
  // When the stream is back, what happened meanwhile may be more than it tells.
  useEffect(() => {
    void load(0);
    return () => asking.current?.abort();
  }, [load, opened]);

  useSignalEffect(() => {
    const mine = liveEvents.value.filter((event) => !plugin || event.plugin === plugin);
    setEvents((known) => {
      if (!known) return known;
      const all = mergeEvents(mine, known);
      // What came live does not grow for ever; what was asked for stays.
      const most = Math.max(MOST_EVENTS, nextPage.current * STEP);
      if (all.length > most) setHasOlder(true);
      return all.slice(0, most);
    });
  });

  return { events, error, loading, hasOlder, loadOlder: () => void load(nextPage.current) };
}
