/** What a plugin shows of itself: its icon, else the first letter of its name. */
import type { Plugin } from "../api/types";
import { cx } from "./cx";
import styles from "./PluginIcon.module.css";

export function PluginIcon({
  plugin,
  size = "m",
}: {
  plugin: Pick<Plugin, "icon" | "name">;
  size?: "s" | "m" | "l";
}) {
  // Some say a whole word: what does not look like a symbol is none.
  const symbol =
    [...plugin.icon.trim()].length <= 8 && !/^[\w./:-]{2,}$/.test(plugin.icon) ? plugin.icon.trim() : "";
  const letter = [...plugin.name.trim()][0]?.toUpperCase() ?? "?";
  return (
    <span class={cx(styles.icon, styles[size], !symbol && styles.letter)} aria-hidden="true">
      {symbol || letter}
    </span>
  );
}
