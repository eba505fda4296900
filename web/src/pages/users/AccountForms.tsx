/** What one fills in to add an account, and to change one. */
import { useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import { Problem } from "../../api/problem";
import type { Account } from "../../api/types";
import { showToast } from "../../state/toasts";
import { accountsTexts } from "../../texts";
import { Field, Input } from "../../ui/Field";
import { NewPassword } from "../../ui/NewPassword";
import { ShownOnce } from "../../ui/ShownOnce";
import { useForm } from "../../ui/useForm";
import { FormDialog } from "./FormDialog";

interface Secret {
  value: string;
  /** Nobody knows it yet: it has to be handed over. */
  madeUp: boolean;
}

const NO_SECRET: Secret = { value: "", madeUp: false };

interface AddAccountProps {
  onAdded: (account: Account) => void;
  onClose: () => void;
}

export function AddAccount({ onAdded, onClose }: AddAccountProps) {
  const [username, setUsername] = useState("");
  const [displayName, setDisplayName] = useState("");
  const [secret, setSecret] = useState(NO_SECRET);
  const [added, setAdded] = useState<Account | null>(null);
  const fields = {
    username: useRef<HTMLInputElement>(null),
    displayName: useRef<HTMLInputElement>(null),
    password: useRef<HTMLInputElement>(null),
  };
  const form = useForm<keyof typeof fields>(blamed, (name) => fields[name].current?.focus());

  if (added) return <HandOver name={added.username} password={secret.value} onClose={onClose} />;

  async function add(): Promise<void> {
    const name = displayName.trim();
    const account = await api.addUser({
      username: username.trim(),
      password: secret.value,
      ...(name && { display_name: name }),
    });
    onAdded(account);
    showToast(accountsTexts.added(account.display_name), "success");
    if (secret.madeUp) setAdded(account);
    else onClose();
  }

  return (
    <FormDialog
      title={accountsTexts.addTitle}
      submit={accountsTexts.add}
      busy={form.busy}
      error={form.errors.form ?? ""}
      onSubmit={() =>
        form.send(
          {
            ...(!username.trim() && { username: accountsTexts.usernameMissing }),
            ...(!secret.value && { password: accountsTexts.passwordMissing }),
          },
          add,
        )
      }
      onClose={onClose}
    >
      <Field label={accountsTexts.username} hint={accountsTexts.usernameHint} error={form.errors.username}>
        {(control) => (
          <Input
            {...control}
            inputRef={fields.username}
            name="username"
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            value={username}
            onInput={(event) => {
              form.touch("username");
              setUsername(event.currentTarget.value);
            }}
          />
        )}
      </Field>
      <Field
        label={accountsTexts.displayName}
        hint={accountsTexts.displayNameHint}
        error={form.errors.displayName}
      >
        {(control) => (
          <Input
            {...control}
            inputRef={fields.displayName}
            name="display-name"
            autocomplete="off"
            value={displayName}
            onInput={(event) => {
              form.touch("displayName");
              setDisplayName(event.currentTarget.value);
            }}
          />
        )}
      </Field>
      <NewPassword
        label={accountsTexts.password}
        inputRef={fields.password}
        value={secret.value}
        onChange={(value, madeUp) => {
          form.touch("password");
          setSecret({ value, madeUp });
        }}
        error={form.errors.password}
      />
    </FormDialog>
  );
}

interface RenameAccountProps {
  account: Account;
  onRenamed: (account: Account) => void;
  onClose: () => void;
}

export function RenameAccount({ account, onRenamed, onClose }: RenameAccountProps) {
  const [name, setName] = useState(account.display_name);
  const field = useRef<HTMLInputElement>(null);
  const form = useForm<"displayName">(
    (error) => (blamed(error) === "form" ? "form" : "displayName"),
    () => field.current?.focus(),
  );

  async function rename(): Promise<void> {
    const changed = await api.changeUser(account.id, { display_name: name.trim() });
    onRenamed(changed);
    showToast(accountsTexts.renamed(changed.display_name), "success");
    onClose();
  }

  return (
    <FormDialog
      title={accountsTexts.renameTitle(account.username)}
      submit={accountsTexts.save}
      busy={form.busy}
      error={form.errors.form ?? ""}
      onSubmit={() =>
        form.send({ ...(!name.trim() && { displayName: accountsTexts.displayNameMissing }) }, rename)
      }
      onClose={onClose}
    >
      <Field label={accountsTexts.displayName} error={form.errors.displayName}>
        {(control) => (
          <Input
            {...control}
            inputRef={field}
            name="display-name"
            autocomplete="off"
            value={name}
            onFocus={(event) => event.currentTarget.select()}
            onInput={(event) => {
              form.touch("displayName");
              setName(event.currentTarget.value);
            }}
          />
        )}
      </Field>
    </FormDialog>
  );
}

export function SetPassword({ account, onClose }: { account: Account; onClose: () => void }) {
  const [secret, setSecret] = useState(NO_SECRET);
  const [done, setDone] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const form = useForm<"password">(
    (error) => (blamed(error) === "form" ? "form" : "password"),
    () => field.current?.focus(),
  );
  const { username, display_name: name } = account;

  if (done) return <HandOver name={username} password={secret.value} onClose={onClose} />;

  async function set(): Promise<void> {
    await api.setUserPassword(account.id, secret.value);
    showToast(accountsTexts.passwordSet(name), "success");
    if (secret.madeUp) setDone(true);
    else onClose();
  }

  return (
    <FormDialog
      title={accountsTexts.passwordTitle(name)}
      submit={accountsTexts.setPassword}
      busy={form.busy}
      error={form.errors.form ?? ""}
      onSubmit={() => form.send({ ...(!secret.value && { password: accountsTexts.passwordMissing }) }, set)}
      onClose={onClose}
    >
      <p>{accountsTexts.passwordHint(name)}</p>
      {/* So that a password manager knows whose it is. */}
      <input hidden name="username" autocomplete="username" readOnly value={username} />
      <NewPassword
        label={accountsTexts.newPassword}
        inputRef={field}
        value={secret.value}
        onChange={(value, madeUp) => {
          form.touch("password");
          setSecret({ value, madeUp });
        }}
        error={form.errors.password}
      />
    </FormDialog>
  );
}

function HandOver({ name, password, onClose }: { name: string; password: string; onClose: () => void }) {
  return (
    <ShownOnce
      title={accountsTexts.handOver(name)}
      label={accountsTexts.password}
      secret={password}
      onClose={onClose}
    >
      <p>{accountsTexts.handOverHint}</p>
    </ShownOnce>
  );
}

/** The core names the field in its sentence, and has no other word for it. */
function blamed(error: unknown): "username" | "displayName" | "password" | "form" {
  if (!(error instanceof Problem)) return "form";
  if (error.code === "user-exists") return "username";
  if (error.code === "weak-password") return "password";
  if (error.code !== "bad-request") return "form";
  if (/username/i.test(error.detail)) return "username";
  return /display.name/i.test(error.detail) ? "displayName" : "form";
}
