import { expect, it } from "vitest";
import { relativeTime } from "./relative";

const NOW = Date.parse("2025-11-22T12:00:00Z");

it.each([
  [0, "now"],
  [-4_999, "now"],
  [4_000, "now"],
  [-5_000, "5 s ago"],
  [-59_999, "59 s ago"],
  [-60_000, "1 min ago"],
  [-3_599_000, "59 min ago"],
  [-3_600_000, "1 h ago"],
  [-86_399_000, "23 h ago"],
  [-86_400_000, "1 d ago"],
  [-40 * 86_400_000, "1 mo ago"],
  [-800 * 86_400_000, "2 y ago"],
  [30_000, "in 30 s"],
])("a difference of %d ms is %j", (difference, text) => {
  expect(relativeTime(NOW + difference, NOW)).toBe(text);
});
