import { expect, it } from "vitest";
import { jsonError, prettyJson } from "./json";

it("formats what is worth it", () => {
  expect(prettyJson('{"a":[1,2]}')).toBe('{\n  "a": [\n    1,\n    2\n  ]\n}');
  for (const text of ["12", "plain", '"text"', "", "{broken"]) expect(prettyJson(text)).toBeNull();
});

it("leaves alone what would become something else", () => {
  for (const text of ['{"a":12345678901234567890}', '{"a":1,"a":2}', '{"a":1.0}']) {
    expect(prettyJson(text)).toBeNull();
  }
  expect(prettyJson('{"b c": " x\\" ", "a": "\\u00e9"}')).not.toBeNull();
});

it("says what is wrong", () => {
  expect(jsonError("[1]")).toBe("");
  expect(jsonError("[1,")).not.toBe("");
});
