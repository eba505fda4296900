/** How something is, as a coloured dot with its meaning in words. */
import type { Plugin } from "../api/types";
import { stateTexts } from "../texts";
import { cx } from "./cx";
import styles from "./Dot.module.css";

export type DotTone = "ok" | "bad" | "wait" | "off";

/** `label` is heard, and seen as a hint; without one the dot stands beside text that says it. */
export function Dot({ tone, label }: { tone: DotTone; label?: string }) {
  const look = cx(styles.dot, styles[tone]);
  return label ? (
    <span class={look} role="img" aria-label={label} title={label} />
  ) : (
    <span class={look} aria-hidden="true" />
  );
}

/** Green, red, or on its way; and the words for it. */
export function healthOf(plugin: Plugin): { tone: DotTone; label: string } {
  if (!plugin.enabled) return { tone: "off", label: stateTexts.disabled };
  if (plugin.health === "healthy") return { tone: "ok", label: stateTexts.healthy };
  if (plugin.state === "backoff") return { tone: "bad", label: stateTexts.crashed };
  if (plugin.state === "stopping") return { tone: "wait", label: stateTexts.stopping };
  if (plugin.state === "starting") return { tone: "wait", label: stateTexts.waiting };
  return { tone: "bad", label: stateTexts.unhealthy };
}
