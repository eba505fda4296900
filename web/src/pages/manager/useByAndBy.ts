/** A long list is drawn by and by, so that whoever presses something meanwhile is heard between two frames. */
import { useEffect, useState } from "preact/hooks";

// Two rows of a usual screen, and then whatever is left of most lists: each frame costs what all of the page does.
const FIRST = 6;
const NEXT = 12;

/** How many of `count` are to be drawn by now. */
export function useByAndBy(count: number): number {
  const [drawn, setDrawn] = useState(FIRST);
  useEffect(() => {
    if (drawn >= count) return;
    const frame = requestAnimationFrame(() => setDrawn(drawn + NEXT));
    return () => cancelAnimationFrame(frame);
  }, [drawn, count]);
  return drawn;
}
