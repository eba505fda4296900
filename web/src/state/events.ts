/** What happened lately, newest first: what came live, in a list that does not grow for ever. */
import { signal } from "@preact/signals";
import type { PluginEvent } from "../api/types";
import { onUserChange } from "./session";

export const MOST_EVENTS = 500;

export const liveEvents = signal<readonly PluginEvent[]>([]);

export function addEvent(event: PluginEvent): void {
  const newest = liveEvents.value[0]?.id ?? 0;
  if (event.id > newest) liveEvents.value = [event, ...liveEvents.value.slice(0, MOST_EVENTS - 1)];
}

/** Two listings, newest first, as one without doubles. */
export function mergeEvents(one: readonly PluginEvent[], other: readonly PluginEvent[]): PluginEvent[] {
  const byId = new Map([...one, ...other].map((event) => [event.id, event]));
  return [...byId.values()].sort((first, second) => second.id - first.id);
}

onUserChange(() => {
  liveEvents.value = [];
});
