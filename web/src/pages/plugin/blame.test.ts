import { expect, test } from "vitest";
import { isFrom, stackOf } from "./blame";

const places = ["/api/plugins/hello/bundle.js", "/api/plugins/route/hello/"];
const at = (path: string) =>
  Object.assign(new Error("x"), { stack: `Error: x\n    at f (http://t${path}:1:2)` });

test.each([
  ["the file", { error: "x", file: "http://t/api/plugins/hello/bundle.js?v=1" }],
  ["the stack", { error: at("/api/plugins/hello/bundle.js?v=1"), file: "" }],
  ["a module of its route", { error: at("/api/plugins/route/hello/part.js"), file: "" }],
  ["nothing at all", { error: "x", file: "" }],
])("the bundle is known by %s", (_, thrown) => {
  expect(isFrom(places, thrown)).toBe(true);
});

test.each([
  ["the shell", { error: at("/assets/index-12345678.js"), file: "" }],
  ["another plugin", { error: at("/api/plugins/hello2/bundle.js?v=1"), file: "" }],
  ["a file of the shell", { error: "x", file: "http://t/assets/index-12345678.js" }],
])("it is not the bundle but %s", (_, thrown) => {
  expect(isFrom(places, thrown)).toBe(false);
});

test("what has no stack", () => {
  expect([stackOf(null), stackOf("x"), stackOf({}), stackOf({ stack: 1 })]).toEqual(["", "", "", ""]);
});
