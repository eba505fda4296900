/** Keys that work wherever the focus is, as long as nothing lies over the logs and nobody types. */
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface Shortcuts {
  search: () => void;
  newest: () => void;
}

export function useShortcuts(place: RefObject<HTMLElement>, shortcuts: Shortcuts): void {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;

  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target) || !isOnTop(place.current)) return;
      const does = { "/": latest.current.search, End: latest.current.newest }[event.key];
      if (!does) return;
      event.preventDefault();
      does();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [place]);
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.matches("input, textarea, select, [contenteditable], [role=menu] *")
  );
}

function isOnTop(element: HTMLElement | null): boolean {
  const dialogs = document.querySelectorAll("dialog:modal");
  return element !== null && (dialogs[dialogs.length - 1] ?? null) === element.closest("dialog");
}
