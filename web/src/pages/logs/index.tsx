/** What a plugin wrote, as a page of its own. */
import { LayoutPanelTop, Lock } from "lucide-preact";
import { paths } from "../../navigation";
import { pluginOf } from "../../state/plugins";
import { isAdmin } from "../../state/session";
import { logsTexts } from "../../texts";
import { ButtonLink } from "../../ui/Button";
import { Empty } from "../../ui/Empty";
import { Page } from "../../ui/Page";
import LogView from "./LogView";

export default function LogsPage({ id }: { id: string }) {
  const title = logsTexts.title(pluginOf(id).value?.name ?? id);
  const toPlugin = (
    <ButtonLink href={paths.plugin(id)} icon={LayoutPanelTop}>
      {logsTexts.toPlugin}
    </ButtonLink>
  );
  if (!isAdmin.value) {
    return (
      <Page title={title}>
        <Empty icon={Lock} title={logsTexts.forAdmins}>
          <p>{logsTexts.forAdminsHint}</p>
          {toPlugin}
        </Empty>
      </Page>
    );
  }
  return (
    <Page title={title} actions={toPlugin} width="fill">
      <LogView id={id} />
    </Page>
  );
}
