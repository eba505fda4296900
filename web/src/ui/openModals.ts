/** What lies over the page just now, the topmost last. */
import { signal } from "@preact/signals";

export const openModals = signal<readonly string[]>([]);
