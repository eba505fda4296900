/** Draws a part of the page in a turn of its own, the first time that there is such a part: then it costs most. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { inTurn } from "./turns";

const drawn = new Set<string>();

export function Later({ name, children }: { name: string; children: () => ComponentChildren }) {
  const [ready, setReady] = useState(drawn.has(name));
  useEffect(() => {
    if (ready) return;
    return inTurn(() => {
      drawn.add(name);
      setReady(true);
    });
  }, [ready, name]);
  return ready ? children() : null;
}
