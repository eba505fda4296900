/** A long list is drawn by and by, so that whoever presses something meanwhile is heard between two frames. */
import { useEffect, useState } from "preact/hooks";

// Two rows of a usual screen.
const AT_ONCE = 6;

/** How many of `count` are to be drawn by now. */
export function useByAndBy(count: number): number {
  const [drawn, setDrawn] = useState(AT_ONCE);
  useEffect(() => {
    if (drawn >= count) return;
    const frame = requestAnimationFrame(() => setDrawn(drawn + AT_ONCE));
    return () => cancelAnimationFrame(frame);
  }, [drawn, count]);
  return drawn;
}
