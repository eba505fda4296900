/** Light or dark: as the system has it, or as somebody chose. */
import { computed, effect, signal } from "@preact/signals";
import { keptSignal } from "./kept";

export const THEMES = ["system", "light", "dark"] as const;
export type ThemeChoice = (typeof THEMES)[number];

export const themeChoice = keptSignal<ThemeChoice>("theme", THEMES, "system");

const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
const dark = signal(systemIsDark.matches);
systemIsDark.addEventListener("change", (event) => {
  dark.value = event.matches;
});

/** What is really shown. */
export const theme = computed<"light" | "dark">(() => {
  if (themeChoice.value !== "system") return themeChoice.value;
  return dark.value ? "dark" : "light";
});

effect(() => {
  const { dataset } = document.documentElement;
  if (themeChoice.value === "system") delete dataset.theme;
  else dataset.theme = themeChoice.value;
});
