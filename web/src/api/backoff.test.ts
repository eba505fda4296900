import { expect, it } from "vitest";
import { reconnectDelay } from "./backoff";

it("waits longer with each failure, up to a quarter of a minute", () => {
  const delays = [1, 2, 3, 4, 5, 6, 50].map((failures) => reconnectDelay(failures, 1));
  expect(delays).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
});

it("spreads by half", () => {
  expect(reconnectDelay(3, 0)).toBe(2000);
  expect(reconnectDelay(3, 0.5)).toBe(3000);
});
