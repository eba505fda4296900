/** API tokens: what programs come in with. */
import { KeyRound, Trash2 } from "lucide-preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import { Problem } from "../../api/problem";
import type { ApiToken, MadeToken, TokenRole } from "../../api/types";
import { showToast } from "../../state/toasts";
import utilities from "../../styles/utilities.module.css";
import { tokensTexts } from "../../texts";
import { Badge, type Tone } from "../../ui/Badge";
import { Button } from "../../ui/Button";
import { Choice } from "../../ui/Choice";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Empty } from "../../ui/Empty";
import { Field, Input } from "../../ui/Field";
import { IconButton } from "../../ui/IconButton";
import { RelativeTime } from "../../ui/RelativeTime";
import { ShownOnce } from "../../ui/ShownOnce";
import { Table } from "../../ui/Table";
import { useForm } from "../../ui/useForm";
import { useLoad } from "../../ui/useLoad";
import { FormDialog } from "./FormDialog";
import { Section } from "./Section";
import styles from "./Section.module.css";
import { useFresh } from "./useFresh";

// The least that one may do stands first, and is what one gets who does not choose.
const ROLES: readonly TokenRole[] = ["monitor", "client", "admin"];
const TONES: Record<TokenRole, Tone> = { monitor: "neutral", client: "accent", admin: "warn" };

export function Tokens() {
  const list = useLoad((signal) => api.tokens(signal), "");
  const [adding, setAdding] = useState(false);
  const [revoking, setRevoking] = useState<ApiToken | null>(null);
  const [revoked, setRevoked] = useState(false);
  const add = useRef<HTMLButtonElement>(null);
  useFresh("/api/tokens", list.reload);

  // What had the focus is gone with its row.
  useEffect(() => {
    if (!revoked || revoking) return;
    add.current?.focus();
    setRevoked(false);
  }, [revoked, revoking]);

  return (
    <>
      <Section
        intro={tokensTexts.intro}
        action={
          <Button variant="primary" icon={KeyRound} buttonRef={add} onClick={() => setAdding(true)}>
            {tokensTexts.add}
          </Button>
        }
        list={list}
      >
        {(tokens) =>
          tokens.length ? (
            <Table label={tokensTexts.list}>
              <thead>
                <tr>
                  <th scope="col">{tokensTexts.columns.name}</th>
                  <th scope="col">{tokensTexts.columns.role}</th>
                  <th scope="col" class={styles.spare}>
                    {tokensTexts.columns.created}
                  </th>
                  <th scope="col" data-end>
                    <span class={utilities.hidden}>{tokensTexts.columns.actions}</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {tokens.map((token) => (
                  <tr key={token.id}>
                    <td>
                      <span class={styles.name}>{token.name}</span>
                    </td>
                    <td>
                      <Badge tone={TONES[token.role]}>{tokensTexts.roles[token.role]}</Badge>
                    </td>
                    <td class={styles.spare}>
                      <RelativeTime time={token.created_at} />
                    </td>
                    <td data-end>
                      <IconButton
                        icon={Trash2}
                        label={tokensTexts.revokeNamed(token.name)}
                        onClick={() => setRevoking(token)}
                      />
                    </td>
                  </tr>
                ))}
              </tbody>
            </Table>
          ) : (
            <Empty icon={KeyRound} title={tokensTexts.none}>
              <p>{tokensTexts.noneHint}</p>
            </Empty>
          )
        }
      </Section>
      {adding && (
        <AddToken
          onMade={({ token: _, ...kept }) => list.set((tokens) => [...tokens, kept])}
          onClose={() => setAdding(false)}
        />
      )}
      {revoking && (
        <ConfirmDialog
          title={tokensTexts.revokeTitle(revoking.name)}
          confirm={tokensTexts.revoke}
          onConfirm={async () => {
            await api.removeToken(revoking.id);
            list.set((tokens) => tokens.filter(({ id }) => id !== revoking.id));
            showToast(tokensTexts.revoked(revoking.name), "success");
            setRevoked(true);
          }}
          onClose={() => setRevoking(null)}
        >
          <p>{tokensTexts.revokeHint}</p>
        </ConfirmDialog>
      )}
    </>
  );
}

function AddToken({ onMade, onClose }: { onMade: (made: MadeToken) => void; onClose: () => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<TokenRole>("monitor");
  const [made, setMade] = useState<MadeToken | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const form = useForm<"name">(
    (error) => (error instanceof Problem && error.code === "bad-request" ? "name" : "form"),
    () => field.current?.focus(),
  );

  if (made) {
    return (
      <ShownOnce
        title={tokensTexts.made(made.name)}
        label={tokensTexts.made(made.name)}
        secret={made.token}
        onClose={onClose}
      >
        <p>{tokensTexts.rolesHints[made.role]}</p>
      </ShownOnce>
    );
  }

  return (
    <FormDialog
      title={tokensTexts.addTitle}
      submit={tokensTexts.add}
      busy={form.busy}
      error={form.errors.form ?? ""}
      onSubmit={() =>
        form.send({ ...(!name.trim() && { name: tokensTexts.nameMissing }) }, async () => {
          const token = await api.addToken(name.trim(), role);
          onMade(token);
          setMade(token);
        })
      }
      onClose={onClose}
    >
      <Field label={tokensTexts.name} hint={tokensTexts.nameHint} error={form.errors.name}>
        {(control) => (
          <Input
            {...control}
            inputRef={field}
            name="token-name"
            autocomplete="off"
            value={name}
            onInput={(event) => {
              form.touch("name");
              setName(event.currentTarget.value);
            }}
          />
        )}
      </Field>
      <Choice
        label={tokensTexts.role}
        selected={role}
        onSelect={setRole}
        options={ROLES.map((id) => ({
          id,
          label: tokensTexts.roles[id],
          hint: tokensTexts.rolesHints[id],
        }))}
      />
    </FormDialog>
  );
}
