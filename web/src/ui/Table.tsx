/** A table that scrolls by itself where it is too wide. Inside: plain thead, tbody, tr, th, td. */
import type { ComponentChildren } from "preact";
import styles from "./Table.module.css";

/** `label` is heard. A cell with `data-end` stands at the right, as figures and buttons do. */
export function Table({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
    // biome-ignore lint/a11y/useSemanticElements: a section would be a landmark of its own
    <div class={styles.scroll} role="region" aria-label={label} tabIndex={0}>
      <table class={styles.table} aria-label={label}>
        {children}
      </table>
    </div>
  );
}
