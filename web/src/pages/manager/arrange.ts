/** Which plugins are shown, and in which order: pure. */
import type { Plugin } from "../../api/types";
import { byName } from "../../state/plugins";
import type { Show, Sort, View } from "./view";

/** What it used lately; NaN where that is not known. */
export type Load = (id: string, sort: "cpu" | "memory" | "requests") => number;

const ON_THE_WAY: ReadonlySet<string> = new Set(["starting", "stopping"]);

/** Whether somebody should look at it. */
export function isTrouble(plugin: Plugin): boolean {
  return (
    plugin.problem !== null ||
    (plugin.enabled && plugin.health !== "healthy" && !ON_THE_WAY.has(plugin.state))
  );
}

export function isShown(plugin: Plugin, show: Show): boolean {
  switch (show) {
    case "all":
      return true;
    case "running":
      return plugin.health === "healthy";
    case "trouble":
      return isTrouble(plugin);
    case "disabled":
      return !plugin.enabled;
  }
}

export function arrange(
  plugins: readonly Plugin[],
  view: Pick<View, "q" | "show" | "sort">,
  load: Load,
): Plugin[] {
  const words = view.q.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const found = plugins.filter((plugin) => isShown(plugin, view.show) && hasAll(plugin, words));
  return found.sort(comparison(view.sort, load));
}

function hasAll(plugin: Plugin, words: readonly string[]): boolean {
  if (!words.length) return true;
  const { id, name, author, description, route } = plugin;
  const text = [id, name, author, description, route].join("\n").toLocaleLowerCase();
  return words.every((word) => text.includes(word));
}

function comparison(sort: Sort, load: Load): (one: Plugin, other: Plugin) => number {
  if (sort === "name") return byName;
  const weight = sort === "state" ? urgency : (plugin: Plugin) => known(load(plugin.id, sort));
  return (one, other) => weight(other) - weight(one) || byName(one, other);
}

function urgency(plugin: Plugin): number {
  if (isTrouble(plugin)) return 3;
  if (!plugin.enabled) return 0;
  return plugin.health === "healthy" ? 1 : 2;
}

function known(value: number): number {
  return Number.isNaN(value) ? -1 : value;
}
