/** Asks before something that cannot be taken back. */
import type { ComponentChildren } from "preact";
import { uiTexts } from "../texts";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { useBusy } from "./useBusy";

export interface ConfirmDialogProps {
  title: string;
  /** What will happen. */
  children: ComponentChildren;
  /** The name of the deed, on the button. */
  confirm: string;
  /** Closes when it resolves; what it rejects with becomes a toast. */
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}

export function ConfirmDialog({ title, children, confirm, onConfirm, onClose }: ConfirmDialogProps) {
  const [busy, run] = useBusy();
  const footer = (
    <>
      <Button onClick={onClose}>{uiTexts.cancel}</Button>
      <Button variant="danger" busy={busy} onClick={() => run(() => onConfirm().then(onClose))}>
        {confirm}
      </Button>
    </>
  );
  return (
    <Dialog title={title} size="s" onClose={onClose} footer={footer}>
      {children}
    </Dialog>
  );
}
