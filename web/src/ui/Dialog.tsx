/** A dialog in the middle of the page, with a title. Shown as long as it is rendered. */
import { X } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { uiTexts } from "../texts";
import { cx } from "./cx";
import styles from "./Dialog.module.css";
import { IconButton } from "./IconButton";
import { Modal } from "./Modal";
import { useId } from "./useId";

export interface DialogProps {
  title: ComponentChildren;
  onClose: () => void;
  /** `s` for a question, `m` for a form, `l` for a table, `full` for what needs all the room (logs). */
  size?: "s" | "m" | "l" | "full";
  /** Beside the title. */
  actions?: ComponentChildren;
  /** Buttons at the end. */
  footer?: ComponentChildren;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, size = "m", actions, footer, children }: DialogProps) {
  const id = useId();
  return (
    <Modal labelledBy={id} class={cx(styles.dialog, styles[size])} onClose={onClose}>
      <div class={styles.inside}>
        <header class={styles.head}>
          <h2 id={id} class={styles.title}>
            {title}
          </h2>
          {actions}
          <IconButton icon={X} label={uiTexts.close} onClick={onClose} />
        </header>
        <div class={styles.body}>{children}</div>
        {footer && <footer class={styles.foot}>{footer}</footer>}
      </div>
    </Modal>
  );
}
