/** An id for an element that is named by another one. Preact's own gives some twice in a page that is drawn in parts. */
import { useState } from "preact/hooks";

let last = 0;

export function useId(): string {
  const [id] = useState(() => {
    last += 1;
    return `id-${last}`;
  });
  return id;
}
