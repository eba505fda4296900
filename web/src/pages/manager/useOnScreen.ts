/** Whether an element can be seen, or nearly so: what cannot need not be drawn. */
import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";
import { inTurn } from "../../ui/turns";

const tellers = new WeakMap<Element, (seen: boolean) => void>();
let observer: IntersectionObserver | null = null;

function observe(element: Element, tell: (seen: boolean) => void): () => void {
  observer ??= new IntersectionObserver(
    (entries) => {
      // A screen full of cards comes into sight at once.
      for (const { target, isIntersecting } of entries) inTurn(() => tellers.get(target)?.(isIntersecting));
    },
    { rootMargin: "300px" },
  );
  tellers.set(element, tell);
  observer.observe(element);
  return () => observer?.unobserve(element);
}

/** `now`: it can be seen; `ever`: it could be, since it is there. */
export interface Seen {
  now: boolean;
  ever: boolean;
}

const NEVER: Seen = { now: false, ever: false };

export function useOnScreen(ref: RefObject<Element>): Seen {
  const [seen, setSeen] = useState(NEVER);
  useEffect(() => {
    const tell = (now: boolean) => setSeen((before) => ({ now, ever: before.ever || now }));
    return ref.current ? observe(ref.current, tell) : undefined;
  }, [ref]);
  return seen;
}
