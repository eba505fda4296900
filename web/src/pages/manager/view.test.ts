import { expect, it } from "vitest";
import { addressOf, viewOf } from "./view";

const USUAL = { q: "", show: "all", sort: "name", plugin: "", tab: "overview" } as const;

it("reads what it wrote", () => {
  const view = { q: "a&b=ü", show: "trouble", sort: "cpu", plugin: "hello", tab: "storage" } as const;
  expect(viewOf(new URL(addressOf(view), "http://toru.invalid").search)).toEqual(view);
});

it("leaves out what is as usual", () => {
  expect(addressOf(USUAL)).toBe("/plugins");
  expect(addressOf({ ...USUAL, tab: "events" })).toBe("/plugins");
});

it("takes nonsense for nothing", () => {
  expect(viewOf("?show=constructor&sort=&tab=x&more=1")).toEqual(USUAL);
});
