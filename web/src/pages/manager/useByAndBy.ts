/** A long list is drawn by and by, so that whoever presses something meanwhile is heard between two frames. */
import { useEffect, useState } from "preact/hooks";

// About a row.
const AT_ONCE = 3;

/** How many of `count` are to be drawn by now. */
export function useByAndBy(count: number): number {
  const [drawn, setDrawn] = useState(0);
  useEffect(() => {
    if (drawn >= count) return;
    const frame = requestAnimationFrame(() => setDrawn(drawn + AT_ONCE));
    return () => cancelAnimationFrame(frame);
  }, [drawn, count]);
  return drawn;
}
