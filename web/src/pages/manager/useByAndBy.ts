/** A long list is drawn by and by. */
import { useLayoutEffect, useState } from "preact/hooks";
import { inTurn } from "../../ui/turns";

// The first screen of a list one by one; of what is behind it, whose code has run by then, more at once.
const SCREEN = 12;

/** How many of `count` are to be drawn by now. */
export function useByAndBy(count: number): number {
  const [drawn, setDrawn] = useState(0);
  useLayoutEffect(() => {
    if (drawn < count) return inTurn(() => setDrawn(drawn + (drawn < SCREEN ? 1 : SCREEN)));
  }, [drawn, count]);
  return drawn;
}
