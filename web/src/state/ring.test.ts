import { expect, it } from "vitest";
import { Ring } from "./ring";

it("keeps what fits, oldest first", () => {
  const ring = new Ring(3);
  expect([ring.length, ring.toArray(), ring.last()]).toEqual([0, [], Number.NaN]);
  ring.push(1);
  ring.push(2);
  expect([ring.length, ring.toArray(), ring.last()]).toEqual([2, [1, 2], 2]);
  for (const value of [3, 4, 5, 6]) ring.push(value);
  expect([ring.length, ring.toArray(), ring.last()]).toEqual([3, [4, 5, 6], 6]);
});

it("is as new once it is cleared", () => {
  const ring = new Ring(2);
  for (const value of [1, 2, 3]) ring.push(value);
  ring.clear();
  expect([ring.length, ring.toArray(), ring.last()]).toEqual([0, [], Number.NaN]);
  ring.push(9);
  expect(ring.toArray()).toEqual([9]);
});
