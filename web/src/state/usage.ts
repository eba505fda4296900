/** Ten minutes of figures for each plugin. */
import { useSignalEffect } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { api } from "../api/client";
import type { UsageMessage } from "../api/types";
import { tellCoreTime } from "./clock";
import { opens } from "./connection";
import { plugins } from "./plugins";
import { Series } from "./series";
import { onUserChange } from "./session";

const all = new Map<string, Series>();
/** At which opening of the stream the history was fetched last. */
const loadedAt = new Map<string, number>();
const queue: string[] = [];
let running = 0;
// Browsers allow six connections a host, and the live stream holds one.
const AT_ONCE = 3;

export function seriesOf(id: string): Series {
  const series = all.get(id) ?? new Series();
  all.set(id, series);
  return series;
}

/** The figures of a plugin, with their history from before this page; `version.value` subscribes to changes. */
export function useSeries(id: string, wanted = true): Series {
  useSignalEffect(() => {
    if (wanted && opens.value > 0) loadHistory(id);
  });
  return useMemo(() => seriesOf(id), [id]);
}

export function addUsage(message: UsageMessage): void {
  tellCoreTime(message.timestamp);
  for (const [id, { usage, traffic }] of Object.entries(message.plugins)) {
    seriesOf(id).push({ timestamp: message.timestamp, usage, traffic });
  }
  for (const id of all.keys()) {
    if (!(id in message.plugins) && !plugins.peek().has(id)) forget(id);
  }
}

function loadHistory(id: string): void {
  if (loadedAt.get(id) === opens.peek()) return;
  loadedAt.set(id, opens.peek());
  queue.push(id);
  void workOff();
}

async function workOff(): Promise<void> {
  if (running >= AT_ONCE) return;
  running += 1;
  for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
    try {
      const series = seriesOf(id);
      series.load(await api.usage(id));
    } catch {
      // The charts begin with what comes live.
    }
  }
  running -= 1;
}

function forget(id: string): void {
  all.delete(id);
  loadedAt.delete(id);
}

onUserChange(() => {
  all.clear();
  loadedAt.clear();
  queue.length = 0;
});
