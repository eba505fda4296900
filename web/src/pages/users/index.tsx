/** Who may come in: accounts, API tokens, and who tried. */
import { useSearchParams } from "wouter-preact";
import { usersTexts } from "../../texts";
import { Page } from "../../ui/Page";
import { Tabs } from "../../ui/Tabs";
import { Accounts } from "./Accounts";
import { SignIns } from "./SignIns";
import { Tokens } from "./Tokens";

const SECTIONS = { accounts: Accounts, tokens: Tokens, history: SignIns };
type Section = keyof typeof SECTIONS;

const TABS = (Object.keys(SECTIONS) as Section[]).map((id) => ({ id, label: usersTexts.tabs[id] }));

export default function UsersPage() {
  const [query, setQuery] = useSearchParams();
  const selected = TABS.find(({ id }) => id === query.get("show"))?.id ?? "accounts";
  const Shown = SECTIONS[selected];
  return (
    <Page title={usersTexts.title}>
      <Tabs
        label={usersTexts.sections}
        tabs={TABS}
        selected={selected}
        onSelect={(id) => setQuery(id === "accounts" ? {} : { show: id }, { replace: true })}
      >
        <Shown />
      </Tabs>
    </Page>
  );
}
