import { expect, it } from "vitest";
import { areaPath, sparklinePath } from "./sparklinePath";

it("draws the newest at the right edge", () => {
  expect(sparklinePath([0, 5, 10], 3, 100, 20, 10)).toBe("M0 20L50 10L100 0");
  expect(sparklinePath([10], 3, 100, 20, 10)).toBe("M100 0");
});

it("leaves a gap where nothing is known", () => {
  expect(sparklinePath([1, Number.NaN, 1, 1], 4, 30, 10, 1)).toBe("M0 0M20 0L30 0");
});

it("stays within its frame", () => {
  expect(sparklinePath([20, -3], 2, 10, 10, 10)).toBe("M0 0L10 10");
  expect(sparklinePath([0, 0], 2, 10, 10, 0)).toBe("M0 10L10 10");
});

it("closes each stretch down to the ground", () => {
  expect(areaPath("M0 5L10 2M20 1", 8)).toBe("M0 8L0 5L10 2L10 8ZM20 8L20 1L20 8Z");
  expect(areaPath("", 8)).toBe("");
});
