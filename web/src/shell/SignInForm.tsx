/** Name and password, and what was wrong with them. */
import { useEffect, useRef, useState } from "preact/hooks";
import { messageOf, Problem } from "../api/problem";
import { clock } from "../format";
import { signIn } from "../state/session";
import { signInTexts } from "../texts";
import { Button } from "../ui/Button";
import { Field, Input, PasswordInput } from "../ui/Field";
import { now } from "../ui/RelativeTime";
import { useBusy } from "../ui/useBusy";
import styles from "./SignInForm.module.css";

interface Lock {
  name: string;
  until: number;
}

export function SignInForm({ username: first = "" }: { username?: string }) {
  const [username, setUsername] = useState(first);
  const [password, setPassword] = useState("");
  const [error, setError] = useState("");
  const [lock, setLock] = useState<Lock | null>(null);
  const [busy, run] = useBusy();
  const name = useRef<HTMLInputElement>(null);
  const secret = useRef<HTMLInputElement>(null);

  const isLocked = lock !== null && lock.name === sameName(username) && lock.until > now.value;

  useEffect(() => {
    (first ? secret : name).current?.focus();
  }, [first]);

  useEffect(() => {
    if (lock && !isLocked) setError("");
  }, [lock, isLocked]);

  function failed(reason: unknown): void {
    setError(explain(reason));
    if (reason instanceof Problem && reason.retryAfter !== null) {
      setLock({ name: sameName(username), until: Date.now() + reason.retryAfter * 1000 });
    }
    if (reason instanceof Problem && reason.status === 401) setPassword("");
    secret.current?.focus();
  }

  function submit(event: Event): void {
    event.preventDefault();
    if (isLocked) return;
    if (!username.trim() || !password) {
      setError(signInTexts.required);
      (username.trim() ? secret : name).current?.focus();
      return;
    }
    setError("");
    void run(() => signIn(username.trim(), password), failed);
  }

  return (
    <form class={styles.form} onSubmit={submit} noValidate>
      <div role="alert">{error && <p class={styles.error}>{error}</p>}</div>
      <Field label={signInTexts.username}>
        {(control) => (
          <Input
            {...control}
            inputRef={name}
            name="username"
            autocomplete="username"
            autocapitalize="off"
            spellcheck={false}
            value={username}
            onInput={(event) => setUsername(event.currentTarget.value)}
          />
        )}
      </Field>
      <Field label={signInTexts.password}>
        {(control) => (
          <PasswordInput
            {...control}
            inputRef={secret}
            name="password"
            autocomplete="current-password"
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        )}
      </Field>
      <Button variant="primary" type="submit" wide busy={busy} disabled={isLocked}>
        {isLocked ? signInTexts.lockedFor(clock((lock.until - now.value) / 1000)) : signInTexts.submit}
      </Button>
    </form>
  );
}

function sameName(username: string): string {
  return username.trim().toLowerCase();
}

function explain(reason: unknown): string {
  if (!(reason instanceof Problem)) return messageOf(reason);
  if (reason.status === 401) return signInTexts.wrong;
  if (reason.status === 429) return signInTexts.locked;
  if (reason.code === "sign-in-busy") return signInTexts.busy;
  return reason.detail;
}
