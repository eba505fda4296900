/** The accounts of those who use the plugins. */
import { KeyRound, PencilLine, Trash2, UserRoundPlus, Users } from "lucide-preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import type { Account } from "../../api/types";
import { showToast } from "../../state/toasts";
import utilities from "../../styles/utilities.module.css";
import { accountsTexts } from "../../texts";
import { Button } from "../../ui/Button";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Empty } from "../../ui/Empty";
import { Face } from "../../ui/Face";
import { Menu } from "../../ui/Menu";
import { RelativeTime } from "../../ui/RelativeTime";
import { Switch } from "../../ui/Switch";
import { Table } from "../../ui/Table";
import { useBusy } from "../../ui/useBusy";
import { useLoad } from "../../ui/useLoad";
import { AddAccount, RenameAccount, SetPassword } from "./AccountForms";
import { Section } from "./Section";
import styles from "./Section.module.css";
import { useFresh } from "./useFresh";

type Deed = { kind: "add" } | { kind: "rename" | "password" | "remove"; account: Account };

export function Accounts() {
  const list = useLoad((signal) => api.users(signal), "");
  const [deed, setDeed] = useState<Deed | null>(null);
  const [removed, setRemoved] = useState(false);
  const add = useRef<HTMLButtonElement>(null);
  useFresh("/api/users", list.reload);

  // What had the focus is gone with its row.
  useEffect(() => {
    if (!removed || deed) return;
    add.current?.focus();
    setRemoved(false);
  }, [removed, deed]);

  const close = () => setDeed(null);
  const put = (account: Account) => list.set((accounts) => withAccount(accounts, account));

  return (
    <>
      <Section
        intro={accountsTexts.intro}
        action={
          <Button
            variant="primary"
            icon={UserRoundPlus}
            buttonRef={add}
            onClick={() => setDeed({ kind: "add" })}
          >
            {accountsTexts.add}
          </Button>
        }
        list={list}
      >
        {(accounts) =>
          accounts.length ? (
            <Table label={accountsTexts.list}>
              <thead>
                <tr>
                  <th scope="col">{accountsTexts.columns.name}</th>
                  <th scope="col">{accountsTexts.columns.active}</th>
                  <th scope="col" class={styles.spare}>
                    {accountsTexts.columns.created}
                  </th>
                  <th scope="col" data-end>
                    <span class={utilities.hidden}>{accountsTexts.columns.actions}</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {accounts.map((account) => (
                  <Row key={account.id} account={account} onChange={put} onDeed={setDeed} />
                ))}
              </tbody>
            </Table>
          ) : (
            <Empty icon={Users} title={accountsTexts.none}>
              <p>{accountsTexts.noneHint}</p>
            </Empty>
          )
        }
      </Section>
      {deed?.kind === "add" && <AddAccount onAdded={put} onClose={close} />}
      {deed?.kind === "rename" && <RenameAccount account={deed.account} onRenamed={put} onClose={close} />}
      {deed?.kind === "password" && <SetPassword account={deed.account} onClose={close} />}
      {deed?.kind === "remove" && (
        <ConfirmDialog
          title={accountsTexts.removeTitle(deed.account.display_name)}
          confirm={accountsTexts.remove}
          onConfirm={async () => {
            const { id, display_name } = deed.account;
            await api.removeUser(id);
            list.set((accounts) => accounts.filter((account) => account.id !== id));
            showToast(accountsTexts.removed(display_name), "success");
            setRemoved(true);
          }}
          onClose={close}
        >
          <p>{accountsTexts.removeHint}</p>
        </ConfirmDialog>
      )}
    </>
  );
}

interface RowProps {
  account: Account;
  onChange: (account: Account) => void;
  onDeed: (deed: Deed) => void;
}

function Row({ account, onChange, onDeed }: RowProps) {
  const { id, username, display_name: name, active } = account;
  const [busy, run] = useBusy();

  async function setActive(wanted: boolean): Promise<void> {
    onChange(await api.changeUser(id, { active: wanted }));
    if (wanted) showToast(accountsTexts.activated(name), "success");
    else {
      const undo = { label: accountsTexts.undo, run: () => void run(() => setActive(true)) };
      showToast(accountsTexts.deactivated(name), "success", undo);
    }
  }

  return (
    <tr>
      <td>
        <div class={styles.who}>
          <Face name={name} size="m" />
          <span class={styles.names}>
            <span class={styles.name}>{name}</span>
            {name !== username && <span class={styles.under}>{username}</span>}
          </span>
        </div>
      </td>
      <td class={styles.middle}>
        <Switch
          label={accountsTexts.maySignIn(name)}
          checked={busy ? !active : active}
          busy={busy}
          onChange={(wanted) => run(() => setActive(wanted))}
        />
      </td>
      <td class={styles.spare}>
        <RelativeTime time={account.created_at} />
      </td>
      <td data-end>
        <Menu
          label={accountsTexts.actionsFor(name)}
          items={[
            {
              label: accountsTexts.rename,
              icon: PencilLine,
              onSelect: () => onDeed({ kind: "rename", account }),
            },
            {
              label: accountsTexts.setPassword,
              icon: KeyRound,
              onSelect: () => onDeed({ kind: "password", account }),
            },
            {
              label: accountsTexts.remove,
              icon: Trash2,
              danger: true,
              onSelect: () => onDeed({ kind: "remove", account }),
            },
          ]}
        />
      </td>
    </tr>
  );
}

/** In the order of the core: by username. */
function withAccount(accounts: readonly Account[], account: Account): Account[] {
  const rest = accounts.filter(({ id }) => id !== account.id);
  return [...rest, account].sort((one, other) => (one.username < other.username ? -1 : 1));
}
