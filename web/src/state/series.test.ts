import { expect, it } from "vitest";
import type { Figures } from "../api/types";
import { Series, SLOTS } from "./series";

const START = Date.parse("2025-11-22T12:00:00Z");

function figures(second: number, requests: number, more: Partial<Figures> = {}): Figures {
  return {
    timestamp: new Date(START + second * 1000).toISOString(),
    usage: { cpu_percent: second, rss_bytes: 1000 },
    traffic: { requests, errors: 0, in_flight: 1, latency_ms: { p50: null, p99: 3 } },
    ...more,
  };
}

it("makes rates out of counts", () => {
  const series = new Series();
  for (const [second, requests] of [
    [0, 10],
    [2, 14],
    [4, 14],
  ] as const) {
    series.push(figures(second, requests));
  }
  expect(series.values("rate")).toEqual([Number.NaN, 2, 0]);
  expect(series.values("cpu")).toEqual([0, 2, 4]);
  expect(series.values("p50")).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  expect(series.last("p99")).toBe(3);
});

it("knows no rate where the count began anew", () => {
  const series = new Series();
  series.push(figures(0, 100));
  series.push(figures(2, 3));
  expect(series.last("rate")).toBeNaN();
});

it("shows nothing where nothing runs", () => {
  const series = new Series();
  series.push(figures(0, 0, { usage: null }));
  expect(series.last("memory")).toBeNaN();
});

it("takes each figure once", () => {
  const series = new Series();
  series.push(figures(2, 1));
  series.push(figures(2, 1));
  series.push(figures(0, 0));
  expect(series.values("inFlight")).toEqual([1]);
  expect(series.version.value).toBe(1);
});

it("puts the history before what came live meanwhile", () => {
  const series = new Series();
  series.push(figures(6, 12));
  series.load([figures(2, 0), figures(4, 4)]);
  expect(series.values("cpu")).toEqual([2, 4, 6]);
  series.load([figures(2, 0), figures(4, 4), figures(6, 12)]);
  expect(series.values("cpu")).toEqual([2, 4, 6]);
});

it("does not grow", () => {
  const series = new Series();
  for (let index = 0; index < SLOTS + 50; index += 1) series.push(figures(index * 2, index));
  expect(series.values("rate")).toHaveLength(SLOTS);
});
