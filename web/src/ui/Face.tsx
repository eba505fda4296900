/** Somebody, as the first letter of their name. */
import { cx } from "./cx";
import styles from "./Face.module.css";

export function Face({ name, size = "s" }: { name: string; size?: "s" | "m" | "l" }) {
  return (
    <span class={cx(styles.face, styles[size])} aria-hidden="true">
      {[...name][0]?.toUpperCase()}
    </span>
  );
}
