/** What lies over the page and holds the focus. Dialog, SidePanel, the palette and the sign-in are made of it. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { cx } from "./cx";
import styles from "./Modal.module.css";
import { openModals } from "./openModals";
import { ToastRegion } from "./Toasts";
import { useId } from "./useId";

export interface ModalProps {
  /** The id of its heading; or `label`, where it has none. */
  labelledBy?: string;
  label?: string;
  class?: string | undefined;
  /** Escape, or a click beside it. Without it, it cannot be closed that way. */
  onClose?: () => void;
  children: ComponentChildren;
}

export function Modal({ labelledBy, label, class: className, onClose, children }: ModalProps) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const pressedBeside = useRef(false);

  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    openModals.value = [...openModals.peek(), id];
    return () => {
      openModals.value = openModals.peek().filter((one) => one !== id);
      // Gives the focus back to where it was.
      element?.close();
    };
  }, [id]);

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape does the same
    <dialog
      ref={dialog}
      class={cx(styles.modal, className)}
      aria-labelledby={labelledBy}
      aria-label={label}
      onCancel={(event) => {
        if (event.target !== event.currentTarget) return;
        event.preventDefault();
        onClose?.();
      }}
      onClose={(event) => {
        // Browsers close it on a second Escape whatever one says.
        const element = event.currentTarget;
        if (event.target !== element || !element.isConnected || element.open) return;
        if (onClose) onClose();
        else element.showModal();
      }}
      onPointerDown={(event) => {
        pressedBeside.current = event.target === event.currentTarget;
      }}
      onClick={(event) => {
        if (event.target === event.currentTarget && pressedBeside.current) onClose?.();
      }}
    >
      {children}
      {openModals.value.at(-1) === id && <ToastRegion />}
    </dialog>
  );
}
