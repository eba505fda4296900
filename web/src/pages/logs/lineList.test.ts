import { expect, it } from "vitest";
import type { LogRecord } from "../../api/types";
import { makeLine } from "./line";
import { LineList } from "./lineList";

function record(id: number, more: Partial<LogRecord> = {}): LogRecord {
  const timestamp = new Date(Date.UTC(2025, 10, 22, 12, 0, 0, id % 1000)).toISOString();
  return {
    id,
    timestamp,
    level: "info",
    plugin: "a",
    message: "m",
    stream: "stdout",
    fields: null,
    error: null,
    pid: 1,
    ...more,
  };
}
const lines = (from: number, count: number, more: Partial<LogRecord> = {}) =>
  Array.from({ length: count }, (_, index) => makeLine(record(from + index, more)));
const ids = (list: LineList) => [...list].map((line) => line.record.id);
const list = () => new LineList(() => 10);

it("grows at both ends", () => {
  const all = list();
  all.append(lines(5000, 1200));
  all.prepend(lines(4000, 1000));
  all.append(lines(6200, 1));
  expect(ids(all)).toEqual(Array.from({ length: 2201 }, (_, index) => 4000 + index));
  expect([all.length, all.height]).toEqual([2201, 22_010]);
  for (const line of all) expect(all.at(line.seq)).toBe(line);
  expect(all.at((all.first?.seq ?? 0) - 1)).toBeUndefined();
});

it("finds places, and keeps heights that were measured", () => {
  const all = list();
  all.append(lines(0, 1500));
  all.setHeight(700, 110);
  expect([all.offsetOf(700), all.offsetOf(701), all.height]).toEqual([7000, 7110, 15_100]);
  expect([6999, 7000, 7109, 7110, -5, 1e9].map((offset) => all.lineAt(offset)?.seq)).toEqual([
    699, 700, 700, 701, 0, 1499,
  ]);
  all.estimateAll();
  expect(all.height).toBe(15_000);
});

it("lets whole chunks go at either end", () => {
  const all = list();
  all.append(lines(0, 2000));
  expect(all.trimStart(1600, Number.POSITIVE_INFINITY)).toBe(true);
  expect([all.length, all.first?.record.id, all.height]).toEqual([1500, 500, 15_000]);
  expect(all.trimEnd(1000, Number.POSITIVE_INFINITY)).toBe(true);
  expect([all.first?.record.id, all.last?.record.id]).toEqual([500, 1499]);
  expect(all.trimEnd(1000, Number.POSITIVE_INFINITY)).toBe(false);
  all.append(lines(9000, 1));
  expect(all.last?.seq).toBe(1500);
  expect(all.offsetOf(0)).toBe(0);
});

it("never lets the last chunk go, however heavy", () => {
  const all = list();
  all.append(lines(0, 10));
  expect(all.trimStart(1, 1)).toBe(false);
});

it("says where a process begins, past lines that name none", () => {
  const all = list();
  all.append([...lines(10, 1, { pid: null }), ...lines(11, 2, { pid: 7 }), ...lines(13, 1, { pid: 8 })]);
  expect([...all].map((line) => line.newPid)).toEqual([false, true, false, true]);
  all.prepend(lines(5, 2, { pid: 7 }));
  expect([...all].map((line) => line.newPid)).toEqual([true, false, false, false, false, true]);
  expect([...all].map((line) => line.newDay)).toEqual([true, false, false, false, false, false]);
});

it("knows parts of a line that was cut from a field that is called so", () => {
  const long = "x".repeat(65_536);
  expect(makeLine(record(1, { message: long, fields: { part: 1 } })).part).toBe(1);
  expect(makeLine(record(1, { message: "end", fields: { part: 4 } })).part).toBe(4);
  expect(makeLine(record(1, { message: "a", fields: { part: 1 } })).part).toBeNull();
  expect(makeLine(record(1, { message: "a", fields: { part: 2, of: "a book" } })).part).toBeNull();
});
