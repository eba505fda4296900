import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { inTurn } from "./turns";

let frames: (() => void)[] = [];
const page = { hidden: false };

function frame(): void {
  const due = frames;
  frames = [];
  for (const each of due) each();
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("document", page);
  vi.stubGlobal("requestAnimationFrame", (work: () => void) => frames.push(work));
});

afterEach(() => {
  page.hidden = false;
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("each has a frame of its own, in order", () => {
  const drawn: string[] = [];
  inTurn(() => drawn.push("one"));
  inTurn(() => drawn.push("two"));
  expect(drawn).toEqual([]);
  frame();
  expect(drawn).toEqual(["one"]);
  inTurn(() => drawn.push("three"));
  frame();
  frame();
  expect(drawn).toEqual(["one", "two", "three"]);
  expect(frames).toEqual([]);
});

test("one that is called off costs the others nothing", () => {
  const drawn: string[] = [];
  const off = inTurn(() => drawn.push("one"));
  inTurn(() => drawn.push("two"));
  off();
  frame();
  expect(drawn).toEqual(["two"]);
  inTurn(() => drawn.push("three"))();
  frame();
  inTurn(() => drawn.push("four"));
  frame();
  expect(drawn).toEqual(["two", "four"]);
});

test("a tab that nobody sees draws too", () => {
  page.hidden = true;
  const drawn: string[] = [];
  inTurn(() => drawn.push("one"));
  inTurn(() => drawn.push("two"));
  vi.runAllTimers();
  expect(drawn).toEqual(["one", "two"]);
  expect(frames).toEqual([]);
});
