/** How the shell is laid out just now. */
import { signal } from "@preact/signals";
import { keptSignal } from "../state/kept";

export const sidebarWidth = keptSignal("sidebar", ["wide", "narrow"], "wide");
export const drawerIsOpen = signal(false);
export const paletteIsOpen = signal(false);

const phone = matchMedia("(max-width: 48rem)");
export const isPhone = signal(phone.matches);
phone.addEventListener("change", (event) => {
  isPhone.value = event.matches;
  drawerIsOpen.value = false;
});
