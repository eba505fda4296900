/** Which plugin's logs lie over the page. */
import { signal } from "@preact/signals";
import { onUserChange } from "../../state/session";

export const openedLogs = signal<string | null>(null);

/** Shows the logs of a plugin over whatever page one is on; for admins. */
export function openLogs(id: string): void {
  openedLogs.value = id;
}

export function closeLogs(): void {
  openedLogs.value = null;
}

onUserChange(closeLogs);
