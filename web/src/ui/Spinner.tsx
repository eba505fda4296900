/** Something is under way. Invisible for the first 150 ms, because most things are done by then. */
import { cx } from "./cx";
import styles from "./Spinner.module.css";

export function Spinner({ size = 16, class: className }: { size?: number; class?: string | undefined }) {
  return (
    <svg
      class={cx(styles.spinner, className)}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      aria-hidden="true"
    >
      <circle cx="8" cy="8" r="6.5" />
      <path d="M8 1.5a6.5 6.5 0 0 1 6.5 6.5" />
    </svg>
  );
}
