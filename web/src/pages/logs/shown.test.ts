import { expect, it } from "vitest";
import { shownOf } from "./shown";

const long = `${"a".repeat(5000)}needle${"b".repeat(5000)}`;

it("shows short messages whole, on one line unless they wrap", () => {
  expect(shownOf("one\ntwo", "", false, false)).toEqual({ text: "one ↵ two", before: 0, after: 0 });
  expect(shownOf("one\ntwo", "", true, false).text).toBe("one\ntwo");
});

it("shows the beginning of long ones", () => {
  expect(shownOf(long, "", true, false)).toEqual({ text: "a".repeat(1000), before: 0, after: 9006 });
  expect(shownOf(long, "", false, false).text).toHaveLength(500);
  expect(shownOf(long, "", false, true)).toEqual({ text: long, before: 0, after: 0 });
});

it("shows where the search finds something", () => {
  for (const wrap of [true, false]) {
    const { text, before } = shownOf(long, "NEEDLE", wrap, false);
    expect(text).toContain("needle");
    expect(before).toBe(4970);
  }
});

it("does not cut a character", () => {
  expect(shownOf(`${"a".repeat(499)}🎉`, "", false, false).text).toBe(`${"a".repeat(499)}🎉`);
});
