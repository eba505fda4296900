/** Details beside the page, from the right; on a phone over all of it. Shown as long as it is rendered. */
import { X } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { uiTexts } from "../texts";
import { IconButton } from "./IconButton";
import { Modal } from "./Modal";
import styles from "./SidePanel.module.css";
import { useId } from "./useId";

export interface SidePanelProps {
  title: ComponentChildren;
  onClose: () => void;
  /** Beside the title. */
  actions?: ComponentChildren;
  children: ComponentChildren;
}

export function SidePanel({ title, onClose, actions, children }: SidePanelProps) {
  const id = useId();
  return (
    <Modal labelledBy={id} class={styles.panel} onClose={onClose}>
      <div class={styles.inside}>
        <header class={styles.head}>
          <h2 id={id} class={styles.title}>
            {title}
          </h2>
          {actions}
          <IconButton icon={X} label={uiTexts.close} onClick={onClose} />
        </header>
        <div class={styles.body}>{children}</div>
      </div>
    </Modal>
  );
}
