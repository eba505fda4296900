import { describe, expect, it } from "vitest";
import { findAll, fuzzyMatch } from "./match";

const marked = (query: string, text: string) =>
  fuzzyMatch(query, text)?.ranges.map(([start, end]) => text.slice(start, end));

function best(query: string, texts: string[]): string | undefined {
  const scored = texts.map((text) => ({
    text,
    score: fuzzyMatch(query, text)?.score ?? Number.NEGATIVE_INFINITY,
  }));
  return scored.sort((one, other) => other.score - one.score)[0]?.text;
}

describe("fuzzyMatch", () => {
  it("finds letters in their order, whatever the case", () => {
    expect(marked("HLO", "hello")).toEqual(["h", "lo"]);
    expect(fuzzyMatch("oh", "hello")).toBeNull();
    expect(fuzzyMatch("hellos", "hello")).toBeNull();
  });

  it("matches everything, and marks nothing, where nothing is asked", () => {
    expect(fuzzyMatch(" ", "hello")).toEqual({ score: 0, ranges: [] });
  });

  it("prefers what stands together and at the start of words", () => {
    expect(marked("log", "Logs of a long dialog")).toEqual(["Log"]);
    expect(marked("rh", "Restart hello")).toEqual(["R", "h"]);
    expect(marked("dis", "Radius disable")).toEqual(["dis"]);
  });

  it("ignores blanks in the query", () => {
    expect(marked("restart hel", "Restart hello")).toEqual(["Restart", "hel"]);
  });

  it("puts the better match first", () => {
    expect(best("ev", ["Seven", "Events", "Live view"])).toBe("Events");
    expect(best("hello", ["Restart hello", "hello", "Hello world"])).toBe("hello");
    expect(best("us", ["Usage", "Users", "Status"])).not.toBe("Status");
  });

  it("counts positions as strings do, with emoji before them", () => {
    expect(marked("ab", "👋🏽 ab")).toEqual(["ab"]);
  });
});

describe("findAll", () => {
  it("finds each place, whatever the case", () => {
    expect(findAll("Error: no errors", "error")).toEqual([
      [0, 5],
      [10, 15],
    ]);
  });

  it("takes the query as it is written", () => {
    expect(findAll("a.c abc (x)", "a.c")).toEqual([[0, 3]]);
    expect(findAll("f(x)", "(x)")).toEqual([[1, 4]]);
    expect(findAll("abc", "")).toEqual([]);
  });
});
