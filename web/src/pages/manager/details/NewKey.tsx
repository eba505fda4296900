/** Stores something under a key that is not there yet. */
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../../api/client";
import { messageOf, Problem } from "../../../api/problem";
import { showToast } from "../../../state/toasts";
import { storageTexts, uiTexts } from "../../../texts";
import { Button } from "../../../ui/Button";
import { Field, Input } from "../../../ui/Field";
import { useBusy } from "../../../ui/useBusy";
import { useDraft } from "./draft";
import { KeyHead } from "./KeyHead";
import styles from "./Storage.module.css";
import { lifetime, lifetimeError, ValueFields } from "./ValueFields";

export interface NewKeyProps {
  id: string;
  /** What was searched for: likely the beginning of this one, too. */
  prefix: string;
  onBack: () => void;
  onDone: (key: string) => void;
}

export function NewKey({ id, prefix, onBack, onDone }: NewKeyProps) {
  const [key, setKey] = useState(prefix);
  const [text, setText] = useState("");
  const [seconds, setSeconds] = useState("");
  const [error, setError] = useState("");
  const [keyError, setKeyError] = useState("");
  const [busy, run] = useBusy();
  const input = useRef<HTMLInputElement>(null);
  useDraft(key !== prefix || text !== "" || seconds !== "");

  useEffect(() => input.current?.focus(), []);

  async function create(): Promise<void> {
    setError("");
    setKeyError("");
    if (lifetimeError(seconds)) return;
    if (!key) return refuseKey(storageTexts.keyMissing);
    try {
      await api.kv.set(id, key, text, { expect: null, ...lifetime(seconds) });
    } catch (reason) {
      if (reason instanceof Problem && reason.status === 409) return refuseKey(storageTexts.exists);
      throw reason;
    }
    showToast(storageTexts.saved(key), "success");
    onDone(key);
  }

  function refuseKey(why: string): void {
    setKeyError(why);
    input.current?.focus();
  }

  return (
    <div class={styles.storage}>
      <KeyHead onBack={onBack} />
      <form
        class={styles.form}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void run(create, (reason) => setError(messageOf(reason)));
        }}
      >
        <Field label={storageTexts.key} hint={storageTexts.keyHint} error={keyError || undefined}>
          {(control) => (
            <Input
              {...control}
              inputRef={input}
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              value={key}
              onInput={(event) => setKey(event.currentTarget.value)}
            />
          )}
        </Field>
        <ValueFields text={text} onText={setText} seconds={seconds} onSeconds={setSeconds} error={error} />
        <div class={styles.actions}>
          <Button variant="primary" type="submit" busy={busy}>
            {storageTexts.create}
          </Button>
          <Button onClick={onBack}>{uiTexts.cancel}</Button>
        </div>
      </form>
    </div>
  );
}
