import { expect, it } from "vitest";
import { makeLine } from "./line";
import { LineList } from "./lineList";
import { HEAD, Viewport } from "./viewport";

function filled(count: number) {
  const list = new LineList(() => 20);
  list.append(some(count));
  const viewport = new Viewport(list);
  viewport.height = 200;
  return { list, viewport };
}
const some = (count: number) =>
  Array.from({ length: count }, (_, id) =>
    makeLine({
      id,
      timestamp: "2025-11-22T12:00:00.000Z",
      level: "info",
      plugin: "a",
      message: "m",
      stream: "stdout",
      fields: null,
      error: null,
      pid: 1,
    }),
  );

it("stays with the newest line", () => {
  const { list, viewport } = filled(100);
  expect(viewport.aim(true)).toBe(HEAD + 2000 + 8 - 200);
  list.append(some(1));
  expect(viewport.aim(true)).toBe(HEAD + 2020 + 8 - 200);
});

it("stays with the line that is read, whatever happens around it", () => {
  const { list, viewport } = filled(100);
  viewport.scrolled(HEAD + 1005);
  list.append(some(10));
  expect(viewport.aim(false)).toBe(HEAD + 1005);
  list.prepend(some(50));
  expect(viewport.aim(false)).toBe(HEAD + 2005);
  list.setHeight((list.first?.seq ?? 0) + 3, 120);
  expect(viewport.aim(false)).toBe(HEAD + 2105);
});

it("goes to the first line where the one that was read is gone", () => {
  const { list, viewport } = filled(2000);
  viewport.scrolled(HEAD + 1000);
  list.trimStart(1000, Number.POSITIVE_INFINITY);
  expect(viewport.aim(false)).toBe(HEAD);
});

it("draws what is seen and a little more", () => {
  const { viewport } = filled(1000);
  expect(viewport.range(HEAD + 2000, 0)).toEqual({ from: 100, to: 110 });
  expect(viewport.range(HEAD + 2000)).toEqual({ from: 88, to: 122 });
  expect(new Viewport(new LineList(() => 20)).range(0)).toBeNull();
});

it("scrolls no farther than it must to reveal a line", () => {
  const { viewport } = filled(1000);
  const top = HEAD + 2000;
  expect(viewport.reveal(105, top)).toBeNull();
  expect(viewport.reveal(99, top)).toBe(top - 20);
  expect(viewport.reveal(110, top)).toBe(top + 20);
});
