/** A dialog with a form: Enter sends it, and what was typed stays until it has worked. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { uiTexts } from "../../texts";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { useId } from "../../ui/useId";
import styles from "./Section.module.css";

export interface FormDialogProps {
  title: string;
  submit: string;
  busy: boolean;
  /** What is wrong that belongs to no field. */
  error: string;
  onSubmit: () => void;
  onClose: () => void;
  children: ComponentChildren;
}

export function FormDialog({ title, submit, busy, error, onSubmit, onClose, children }: FormDialogProps) {
  const id = useId();
  const form = useRef<HTMLFormElement>(null);

  useEffect(() => form.current?.querySelector<HTMLElement>("input:not([hidden])")?.focus(), []);

  const footer = (
    <>
      <Button onClick={onClose}>{uiTexts.cancel}</Button>
      <Button variant="primary" type="submit" form={id} busy={busy}>
        {submit}
      </Button>
    </>
  );
  return (
    <Dialog title={title} onClose={onClose} footer={footer}>
      <form
        id={id}
        ref={form}
        class={styles.form}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          onSubmit();
        }}
      >
        <div role="alert">{error && <p class={styles.wrong}>{error}</p>}</div>
        {children}
      </form>
    </Dialog>
  );
}
