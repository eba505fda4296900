/** Which lines one wants to see: pure. */
import type { LogLevel, LogQuery, LogRecord } from "../../api/types";
import { LEVELS } from "./line";

export const PRESETS = ["5m", "15m", "1h", "6h", "24h", "7d"] as const;
export type Preset = (typeof PRESETS)[number];

const MINUTES: Record<Preset, number> = {
  "5m": 5,
  "15m": 15,
  "1h": 60,
  "6h": 360,
  "24h": 1440,
  "7d": 10_080,
};

/** `since` and `until` are RFC 3339 in UTC, empty where that does not matter; so is `text`. */
export interface LogFilter {
  level: LogLevel;
  text: string;
  since: string;
  until: string;
}

export const EVERYTHING: LogFilter = { level: "trace", text: "", since: "", until: "" };

export function isEverything({ level, text, since, until }: LogFilter): boolean {
  return level === "trace" && !text && !since && !until;
}

/** Where a preset begins; `now` in milliseconds since 1970. */
export function presetSince(preset: Preset, now: number): string {
  return new Date(now - MINUTES[preset] * 60_000).toISOString();
}

export function queryOf({ level, text, since, until }: LogFilter): LogQuery {
  const query: LogQuery = {};
  if (level !== "trace") query.level = level;
  if (text) query.q = text;
  if (since) query.since = since;
  if (until) query.until = until;
  return query;
}

/** The same choice as the core makes, for lines that come live. */
export function matcherOf({ level, text, since, until }: LogFilter): (record: LogRecord) => boolean {
  const least = LEVELS.indexOf(level);
  const wanted = text.toLowerCase();
  return (record) =>
    LEVELS.indexOf(record.level) >= least &&
    (!since || record.timestamp >= since) &&
    (!until || record.timestamp < until) &&
    (!wanted || record.message.toLowerCase().includes(wanted));
}

/** What `<input type="datetime-local">` gives, in UTC; empty where it is none. */
export function fromLocal(value: string): string {
  const time = new Date(value);
  return value && !Number.isNaN(time.getTime()) ? time.toISOString() : "";
}
