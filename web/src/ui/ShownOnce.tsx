/** A dialog with a secret that nobody can see again: it does not close by accident before it was copied. */
import { Check, Copy, TriangleAlert } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { showError } from "../state/toasts";
import { shownOnceTexts, uiTexts } from "../texts";
import { Button } from "./Button";
import { copyText } from "./CopyButton";
import { Dialog } from "./Dialog";
import styles from "./ShownOnce.module.css";

export interface ShownOnceProps {
  title: string;
  /** What is heard for the secret itself. */
  label: string;
  secret: string;
  onClose: () => void;
  /** What it is for. */
  children?: ComponentChildren;
}

export function ShownOnce({ title, label, secret, onClose, children }: ShownOnceProps) {
  const [copied, setCopied] = useState(false);
  const [warned, setWarned] = useState(false);
  const button = useRef<HTMLButtonElement>(null);

  useEffect(() => button.current?.focus(), []);

  function close(): void {
    if (copied || warned) onClose();
    else setWarned(true);
  }

  const footer =
    warned && !copied ? (
      <>
        <p class={styles.warned} role="alert">
          {shownOnceTexts.notCopied}
        </p>
        <Button variant="danger" onClick={onClose}>
          {shownOnceTexts.closeAnyway}
        </Button>
      </>
    ) : (
      <Button variant={copied ? "primary" : "secondary"} onClick={close}>
        {shownOnceTexts.done}
      </Button>
    );

  return (
    <Dialog title={title} onClose={warned ? () => undefined : close} footer={footer}>
      {children}
      <p class={styles.warning}>
        <TriangleAlert size={16} aria-hidden="true" />
        {shownOnceTexts.warning}
      </p>
      <div class={styles.row}>
        <input
          class={styles.secret}
          aria-label={label}
          readOnly
          value={secret}
          autocomplete="off"
          onFocus={(event) => event.currentTarget.select()}
          onCopy={() => setCopied(true)}
        />
        <Button
          buttonRef={button}
          variant={copied ? "secondary" : "primary"}
          icon={copied ? Check : Copy}
          onClick={() => copyText(secret).then(() => setCopied(true), showError)}
        >
          {copied ? uiTexts.copied : uiTexts.copy}
        </Button>
      </div>
    </Dialog>
  );
}
