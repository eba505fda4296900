/** How the live stream is. */
import { signal } from "@preact/signals";

/** `asleep`: closed while nobody looks at this tab; `off`: nobody is signed in. `retryAt` is 0 while it is tried. */
export type Connection =
  | { state: "off" | "connecting" | "open" | "asleep" }
  | { state: "lost"; retryAt: number; retry: () => void };

export const connection = signal<Connection>({ state: "off" });

/** Grows each time that the stream opens: what was fetched before may be out of date. */
export const opens = signal(0);
