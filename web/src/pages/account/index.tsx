/** One's own account: who one is, the password, how it looks, and the way out. */
import { LogOut } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { signOut, user } from "../../state/session";
import { THEMES, themeChoice } from "../../state/theme";
import { accountTexts, shellTexts } from "../../texts";
import { Badge } from "../../ui/Badge";
import { Button } from "../../ui/Button";
import { Card } from "../../ui/Card";
import { Choice } from "../../ui/Choice";
import { Face } from "../../ui/Face";
import { Page } from "../../ui/Page";
import { useBusy } from "../../ui/useBusy";
import { useId } from "../../ui/useId";
import styles from "./account.module.css";
import { PasswordForm } from "./PasswordForm";

export default function AccountPage() {
  const me = user.value;
  const [leaving, run] = useBusy();
  if (!me) return null;
  const isAdmin = me.role === "admin";
  return (
    <Page title={accountTexts.title} width="text">
      <Card class={styles.me}>
        <Face name={me.display_name} size="l" />
        <div class={styles.names}>
          <p class={styles.name}>
            {me.display_name}{" "}
            <Badge tone={isAdmin ? "accent" : "neutral"}>{accountTexts.roles[me.role]}</Badge>
          </p>
          {me.display_name !== me.username && <p class={styles.hint}>{me.username}</p>}
          <p class={styles.hint}>{accountTexts.rolesHints[me.role]}</p>
        </div>
        <Button icon={LogOut} busy={leaving} onClick={() => run(signOut)}>
          {accountTexts.signOut}
        </Button>
      </Card>
      <Part title={accountTexts.passwordTitle} hint={accountTexts.passwordHint}>
        {isAdmin && <p class={styles.hint}>{accountTexts.adminPasswordHint}</p>}
        <PasswordForm username={me.username} />
      </Part>
      <Part title={accountTexts.lookTitle} hint={accountTexts.lookHint}>
        <Choice
          inline
          label={shellTexts.theme}
          selected={themeChoice.value}
          onSelect={(theme) => {
            themeChoice.value = theme;
          }}
          options={THEMES.map((id) => ({ id, label: shellTexts.themes[id] }))}
        />
      </Part>
    </Page>
  );
}

function Part({ title, hint, children }: { title: string; hint: string; children: ComponentChildren }) {
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <Card class={styles.part}>
        <div>
          <h2 id={id} class={styles.title}>
            {title}
          </h2>
          <p class={styles.hint}>{hint}</p>
        </div>
        {children}
      </Card>
    </section>
  );
}
