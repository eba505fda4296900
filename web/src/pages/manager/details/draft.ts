/** Something that was typed and not saved yet: nobody loses it without being asked. */
import { signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";

/** Set by whoever holds a draft. */
export const unsaved = signal(false);

/** What is to happen if the draft may be discarded. */
export const leaving = signal<{ go: () => void } | null>(null);

export function unlessUnsaved(go: () => void): void {
  if (unsaved.peek()) leaving.value = { go };
  else go();
}

export function discard(): void {
  const go = leaving.peek()?.go;
  leaving.value = null;
  unsaved.value = false;
  go?.();
}

export function stay(): void {
  leaving.value = null;
}

/** Says that there is a draft, for as long as there is one; the browser asks as well before it closes the page. */
export function useDraft(dirty: boolean): void {
  // At once: Escape may follow the last letter before anything is drawn.
  useLayoutEffect(() => {
    if (!dirty) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    unsaved.value = true;
    window.addEventListener("beforeunload", ask);
    return () => {
      unsaved.value = false;
      window.removeEventListener("beforeunload", ask);
    };
  }, [dirty]);
}
