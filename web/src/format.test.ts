import { describe, expect, it } from "vitest";
import { bytes, clock, duration, milliseconds, percent, perSecond, timeOfDay } from "./format";

describe("figures", () => {
  it("show what is not known as a dash", () => {
    for (const format of [bytes, percent, milliseconds, perSecond, duration]) {
      expect([format(null), format(undefined), format(Number.NaN)]).toEqual(["–", "–", "–"]);
    }
  });

  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [18_350_080, "17.5 MiB"],
    [5 * 1024 ** 4, "5 TiB"],
    [5000 * 1024 ** 4, "5000 TiB"],
  ])("%d bytes", (value, text) => expect(bytes(value)).toBe(text));

  it.each([
    [0, "0 %"],
    [0.42, "0.4 %"],
    [9.96, "10 %"],
    [135.2, "135 %"],
  ])("%d percent", (value, text) => expect(percent(value)).toBe(text));

  it.each([
    [0.421, "0.42 ms"],
    [12.34, "12.3 ms"],
    [1234, "1.23 s"],
  ])("%d milliseconds", (value, text) => expect(milliseconds(value)).toBe(text));

  it.each([
    [0, "0/s"],
    [0.5, "0.50/s"],
    [12_345.6, "12,346/s"],
  ])("%d a second", (value, text) => expect(perSecond(value)).toBe(text));

  it.each([
    [0, "0 s"],
    [59.9, "59 s"],
    [200, "3 min 20 s"],
    [7200, "2 h"],
    [7500, "2 h 5 min"],
    [4 * 86_400 + 3 * 3600, "4 d 3 h"],
  ])("%d seconds", (value, text) => expect(duration(value)).toBe(text));
});

describe("times", () => {
  it("count down", () => {
    expect([clock(65), clock(59.2), clock(0), clock(-1), clock(720)]).toEqual([
      "1:05",
      "1:00",
      "0:00",
      "0:00",
      "12:00",
    ]);
  });

  it("tell milliseconds", () => {
    expect(timeOfDay(new Date(2025, 10, 22, 6, 9, 2, 45))).toBe("06:09:02.045");
  });
});
