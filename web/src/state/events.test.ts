import { beforeEach, expect, it } from "vitest";
import type { PluginEvent } from "../api/types";
import { addEvent, liveEvents, MOST_EVENTS, mergeEvents } from "./events";

const event = (id: number): PluginEvent => ({
  id,
  timestamp: "2025-11-22T12:00:00Z",
  plugin: "hello",
  type: "started",
  details: {},
});
const ids = (events: readonly PluginEvent[]) => events.map((one) => one.id);

beforeEach(() => {
  liveEvents.value = [];
});

it("has the newest first, each once", () => {
  for (const id of [1, 2, 2, 1, 3]) addEvent(event(id));
  expect(ids(liveEvents.value)).toEqual([3, 2, 1]);
});

it("does not grow", () => {
  for (let id = 1; id <= MOST_EVENTS + 10; id += 1) addEvent(event(id));
  expect(liveEvents.value).toHaveLength(MOST_EVENTS);
  expect(liveEvents.value[0]?.id).toBe(MOST_EVENTS + 10);
});

it("merges two listings", () => {
  expect(ids(mergeEvents([event(5), event(4)], [event(4), event(2), event(1)]))).toEqual([5, 4, 2, 1]);
});
