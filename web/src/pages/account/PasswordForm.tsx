/** Changes one's own password. */
import { useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import { Problem } from "../../api/problem";
import { showToast } from "../../state/toasts";
import { accountTexts } from "../../texts";
import { Button } from "../../ui/Button";
import { Field, PasswordInput } from "../../ui/Field";
import { NewPassword } from "../../ui/NewPassword";
import { useForm } from "../../ui/useForm";
import styles from "./account.module.css";

export function PasswordForm({ username }: { username: string }) {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const fields = { current: useRef<HTMLInputElement>(null), next: useRef<HTMLInputElement>(null) };
  const form = useForm<keyof typeof fields>(blamed, (name) => fields[name].current?.focus());

  async function change(): Promise<void> {
    await api.changeOwnPassword(current, next);
    setCurrent("");
    setNext("");
    showToast(accountTexts.changed, "success");
  }

  return (
    <form
      class={styles.form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        form.send(
          {
            ...(!current && { current: accountTexts.currentMissing }),
            ...(!next && { next: accountTexts.nextMissing }),
          },
          change,
        );
      }}
    >
      <div role="alert">{form.errors.form && <p class={styles.wrong}>{form.errors.form}</p>}</div>
      {/* So that a password manager knows whose it is. */}
      <input hidden name="username" autocomplete="username" readOnly value={username} />
      <Field label={accountTexts.current} error={form.errors.current}>
        {(control) => (
          <PasswordInput
            {...control}
            inputRef={fields.current}
            name="current-password"
            autocomplete="current-password"
            value={current}
            onInput={(event) => {
              form.touch("current");
              setCurrent(event.currentTarget.value);
            }}
          />
        )}
      </Field>
      <NewPassword
        label={accountTexts.next}
        inputRef={fields.next}
        value={next}
        onChange={(value) => {
          form.touch("next");
          setNext(value);
        }}
        error={form.errors.next}
      />
      <div class={styles.send}>
        <Button variant="primary" type="submit" busy={form.busy}>
          {accountTexts.change}
        </Button>
      </div>
    </form>
  );
}

function blamed(error: unknown): "current" | "next" | "form" {
  if (!(error instanceof Problem)) return "form";
  if (error.code === "wrong-password" || error.code === "too-many-failures") return "current";
  return error.code === "weak-password" ? "next" : "form";
}
