/** Nothing is here, why, and what one can do. */
import type { LucideIcon } from "lucide-preact";
import type { ComponentChildren } from "preact";
import styles from "./Empty.module.css";

export interface EmptyProps {
  icon?: LucideIcon;
  title: string;
  /** A sentence, a command, buttons. */
  children?: ComponentChildren;
}

export function Empty({ icon: Icon, title, children }: EmptyProps) {
  return (
    <div class={styles.empty}>
      {Icon && (
        <span class={styles.icon}>
          <Icon size={22} strokeWidth={1.75} aria-hidden="true" />
        </span>
      )}
      <p class={styles.title}>{title}</p>
      {children && <div class={styles.children}>{children}</div>}
    </div>
  );
}
