import { expect, it } from "vitest";
import type { LogRecord } from "../../api/types";
import { EVERYTHING, fromLocal, isEverything, matcherOf, presetSince, queryOf } from "./filter";

const record: LogRecord = {
  id: 1,
  timestamp: "2025-11-22T12:00:00.000Z",
  level: "warn",
  plugin: "a",
  message: "Disk is Full",
  stream: "stderr",
  fields: null,
  error: null,
  pid: 1,
};

it("asks for what is chosen only", () => {
  expect(queryOf(EVERYTHING)).toEqual({});
  expect(isEverything(EVERYTHING)).toBe(true);
  const filter = { level: "warn", text: "x", since: "a", until: "b" } as const;
  expect(queryOf(filter)).toEqual({ level: "warn", q: "x", since: "a", until: "b" });
  expect(isEverything(filter)).toBe(false);
});

it("chooses as the core does", () => {
  const fits = (change: Partial<typeof EVERYTHING>) => matcherOf({ ...EVERYTHING, ...change })(record);
  expect(fits({})).toBe(true);
  expect([fits({ level: "warn" }), fits({ level: "error" })]).toEqual([true, false]);
  expect([fits({ text: "IS FULL" }), fits({ text: "empty" })]).toEqual([true, false]);
  expect([fits({ since: record.timestamp }), fits({ until: record.timestamp })]).toEqual([true, false]);
});

it("begins presets before now", () => {
  expect(presetSince("1h", Date.UTC(2025, 0, 1, 12))).toBe("2025-01-01T11:00:00.000Z");
});

it("takes local times", () => {
  expect(fromLocal("")).toBe("");
  expect(fromLocal("2025-01-01T11:00")).toBe(new Date(2025, 0, 1, 11).toISOString());
});
