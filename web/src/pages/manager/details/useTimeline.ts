/** What happened to one plugin, newest first: what was fetched, and what comes live. */
import { useSignalEffect } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import { api } from "../../../api/client";
import type { EventPage, PluginEvent } from "../../../api/types";
import { opens } from "../../../state/connection";
import { liveEvents, mergeEvents } from "../../../state/events";
import { useLoad } from "../../../ui/useLoad";

const STEP = 50;
// What is older stands on the page of all events.
const MOST = 1000;

export interface TimelineState {
  /** Undefined until it is there. */
  events: readonly PluginEvent[] | undefined;
  error: unknown;
  loading: boolean;
  hasOlder: boolean;
  older: () => void;
  retry: () => void;
}

export function useTimeline(id: string): TimelineState {
  const [wanted, setWanted] = useState(STEP);
  const [live, setLive] = useState<readonly PluginEvent[]>([]);
  const page = useRef<EventPage | undefined>(undefined);
  const loaded = useLoad(
    (signal) => api.eventsOf(id, { page_size: wanted }, signal),
    `${id} ${wanted} ${opens.value}`,
  );
  page.current = loaded.data ?? page.current;

  useSignalEffect(() => {
    const mine = liveEvents.value.filter((event) => event.plugin === id);
    if (mine.length) setLive((known) => mergeEvents(mine, known).slice(0, MOST));
  });

  const all = page.current && mergeEvents(live, page.current.events);
  return {
    events: all?.slice(0, wanted),
    error: loaded.error,
    loading: loaded.loading,
    hasOlder: wanted < MOST && all !== undefined && Math.max(all.length, page.current?.total ?? 0) > wanted,
    older: () => setWanted(Math.min(wanted * 2, MOST)),
    retry: loaded.reload,
  };
}
