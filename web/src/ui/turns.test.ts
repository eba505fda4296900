import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { inTurn } from "./turns";

let frames: (() => void)[] = [];
let drawn: string[] = [];
const page = { hidden: false };

async function frame(): Promise<void> {
  const now = frames;
  frames = [];
  for (const each of now) await each();
}

function draw(name: string, milliseconds: number): () => void {
  return inTurn(() => {
    drawn.push(name);
    vi.advanceTimersByTime(milliseconds);
  });
}

beforeEach(() => {
  frames = [];
  drawn = [];
  vi.useFakeTimers();
  vi.stubGlobal("document", page);
  vi.stubGlobal("requestAnimationFrame", (work: () => void) => frames.push(work));
});

afterEach(() => {
  page.hidden = false;
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("what takes long has a frame of its own, in order", async () => {
  draw("one", 10);
  draw("two", 10);
  expect(drawn).toEqual([]);
  await frame();
  expect(drawn).toEqual(["one"]);
  draw("three", 10);
  await frame();
  await frame();
  expect(drawn).toEqual(["one", "two", "three"]);
  expect(frames).toEqual([]);
});

test("what is quick shares one, also with what it leads to", async () => {
  inTurn(() => Promise.resolve().then(() => draw("two", 1)));
  await frame();
  expect(drawn).toEqual(["two"]);
  expect(frames).toEqual([]);
});

test("one that is called off costs the others nothing", async () => {
  const off = draw("one", 1);
  draw("two", 1);
  off();
  await frame();
  draw("three", 1)();
  await frame();
  draw("four", 1);
  await frame();
  expect(drawn).toEqual(["two", "four"]);
});

test("a tab that nobody sees draws too", async () => {
  page.hidden = true;
  draw("one", 10);
  draw("two", 10);
  await vi.runAllTimersAsync();
  expect(drawn).toEqual(["one", "two"]);
  expect(frames).toEqual([]);
});
