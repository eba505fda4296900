/** Opening and closing the details of a plugin, which stand in the address. */
import { navigate } from "../../navigation";
import { addressOf, type Tab, viewOf } from "./view";

interface Here {
  openedHere: true;
}

/** Kept with the entry of the history: what was opened from the manager is closed by going back to it. */
export const OPENED_HERE: Here = { openedHere: true };

export function openDetails(plugin: string, tab: Tab = "overview"): void {
  navigate(addressOf({ ...viewOf(location.search), plugin, tab }), { state: OPENED_HERE });
}

export function showTab(tab: Tab): void {
  navigate(addressOf({ ...viewOf(location.search), tab }), { replace: true, state: history.state });
}

export function closeDetails(): void {
  const state = history.state as Partial<Here> | null;
  if (state?.openedHere) history.back();
  else navigate(addressOf({ ...viewOf(location.search), plugin: "" }), { replace: true });
}
