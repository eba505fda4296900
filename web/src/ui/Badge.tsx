/** A word or a count, in a small coloured frame. */
import type { ComponentChildren } from "preact";
import styles from "./Badge.module.css";
import { cx } from "./cx";

export type Tone = "neutral" | "accent" | "ok" | "warn" | "bad";

export function Badge({ tone = "neutral", children }: { tone?: Tone; children: ComponentChildren }) {
  return <span class={cx(styles.badge, styles[tone])}>{children}</span>;
}
