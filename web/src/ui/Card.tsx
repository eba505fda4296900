/** A surface with something on it. */
import type { ComponentChildren } from "preact";
import styles from "./Card.module.css";
import { cx } from "./cx";

/** `flush`: without room at the edges, for a table or a list. */
export function Card(props: { flush?: boolean; class?: string | undefined; children: ComponentChildren }) {
  return <div class={cx(styles.card, props.flush && styles.flush, props.class)}>{props.children}</div>;
}
