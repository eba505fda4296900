/** Changes a value, and never one that somebody else changed meanwhile without saying so. */
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../../api/client";
import { messageOf, Problem } from "../../../api/problem";
import { showToast } from "../../../state/toasts";
import { storageTexts, uiTexts } from "../../../texts";
import { Button } from "../../../ui/Button";
import { useBusy } from "../../../ui/useBusy";
import { Conflict } from "./Conflict";
import { useDraft } from "./draft";
import { prettyJson } from "./json";
import styles from "./Storage.module.css";
import { lifetime, lifetimeError, ValueFields } from "./ValueFields";

export interface ValueFormProps {
  id: string;
  name: string;
  /** As it was when it was looked at. */
  value: string;
  /** With the value as it is then; null where there is none any more. */
  onDone: (value: string | null) => void;
}

export function ValueForm({ id, name, value, onDone }: ValueFormProps) {
  const [text, setText] = useState(value);
  const [seconds, setSeconds] = useState("");
  const [error, setError] = useState("");
  // What is there now, where that is not what was looked at.
  const [theirs, setTheirs] = useState<{ value: string | null } | null>(null);
  const [busy, run] = useBusy();
  const area = useRef<HTMLTextAreaElement>(null);
  useDraft(text !== value || seconds !== "");

  useEffect(() => area.current?.focus(), []);

  async function save(expect: string | null): Promise<void> {
    setError("");
    if (lifetimeError(seconds)) return;
    try {
      await api.kv.set(id, name, text, { expect, ...lifetime(seconds) });
    } catch (reason) {
      if (!(reason instanceof Problem && reason.status === 409)) throw reason;
      setTheirs({ value: await api.kv.get(id, name) });
      return;
    }
    showToast(storageTexts.saved(name), "success");
    onDone(text);
  }

  const submit = (expect: string | null) =>
    void run(
      () => save(expect),
      (reason) => setError(messageOf(reason)),
    );

  return (
    <form
      class={styles.form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!theirs) submit(value);
      }}
    >
      <ValueFields
        text={text}
        onText={setText}
        seconds={seconds}
        onSeconds={setSeconds}
        wasJson={prettyJson(value) !== null}
        error={error}
        areaRef={area}
      />
      {theirs ? (
        <Conflict
          value={theirs.value}
          busy={busy}
          onOverwrite={() => submit(theirs.value)}
          onTake={() => onDone(theirs.value)}
        />
      ) : (
        <div class={styles.actions}>
          <Button variant="primary" type="submit" busy={busy}>
            {storageTexts.save}
          </Button>
          <Button onClick={() => onDone(value)}>{uiTexts.cancel}</Button>
        </div>
      )}
    </form>
  );
}
