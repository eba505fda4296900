/** A record as a line of the list, with what stands above it: pure. */
import type { LogLevel, LogRecord } from "../../api/types";
import { clean } from "./clean";

export interface Line {
  /** Its place: consecutive in the list, whatever goes at its ends. */
  seq: number;
  record: LogRecord;
  /** Which part of a line that was cut, from 1. */
  part: number | null;
  /** What it takes in memory, in about characters. */
  weight: number;
  /** The process of this line, or of the last before it that names one. */
  pid: number | null;
  /** Above this line another process begins. */
  newPid: boolean;
  /** Above this line another day begins. */
  newDay: boolean;
}

export const LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error"];

const OVERHEAD = 300;
// The first part of a line that was cut has 64 KiB, and a character at most four bytes.
const SHORTEST_FIRST_PART = 16_000;

export function makeLine(record: LogRecord): Line {
  const fields = record.fields ? JSON.stringify(record.fields).length : 0;
  return {
    seq: 0,
    record,
    part: partOf(record),
    weight: record.message.length + fields + OVERHEAD,
    pid: record.pid,
    newPid: false,
    newDay: false,
  };
}

/** Says what is new from one line to the next. Gives whether the process is known, so that all further are right. */
export function follow(before: Line | undefined, line: Line): boolean {
  const named = line.record.pid;
  line.pid = named ?? before?.pid ?? null;
  line.newPid = named !== null && named !== (before?.pid ?? null);
  line.newDay = !before || dayOf(before.record.timestamp) !== dayOf(line.record.timestamp);
  return named !== null;
}

let lastTime = "";
let lastDay = 0;

/** In the zone of the reader; neighbours are mostly of one minute. */
function dayOf(time: string): number {
  const minute = time.slice(0, 16);
  if (minute !== lastTime) {
    const date = new Date(time);
    lastTime = minute;
    lastDay = date.getFullYear() * 400 + date.getMonth() * 31 + date.getDate();
  }
  return lastDay;
}

function partOf({ fields, stream, message }: LogRecord): number | null {
  const part = fields?.part;
  if (!fields || typeof part !== "number" || !Number.isInteger(part) || part < 1) return null;
  if (Object.keys(fields).length > 1 && stream !== "link") return null;
  return part > 1 || message.length >= SHORTEST_FIRST_PART ? part : null;
}

/** The fields that the plugin gave; null where there are none. */
export function fieldsOf({ record, part }: Line): [name: string, value: unknown][] | null {
  const all = Object.entries(record.fields ?? {}).filter(([name]) => part === null || name !== "part");
  return all.length ? all : null;
}

/** As one line of a text file. */
export function asText(record: LogRecord): string {
  const pid = record.pid === null ? "" : ` ${record.pid}`;
  const fields = record.fields ? ` ${clean(JSON.stringify(record.fields))}` : "";
  return `${record.timestamp} ${record.level.toUpperCase().padEnd(5)} ${record.stream}${pid} ${clean(record.message)}${fields}`;
}
