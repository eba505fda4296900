/** The manager: what admins see and do. */
import { Blocks, RefreshCw, TriangleAlert } from "lucide-preact";
import { useEffect } from "preact/hooks";
import { useSearch } from "wouter-preact";
import { navigate } from "../../navigation";
import { pluginList, pluginsFailure, pluginsLoaded, refreshPlugins } from "../../state/plugins";
import { managerTexts, uiTexts } from "../../texts";
import { Button } from "../../ui/Button";
import { Empty } from "../../ui/Empty";
import { ErrorPanel } from "../../ui/ErrorPanel";
import { Later } from "../../ui/Later";
import { Page } from "../../ui/Page";
import { Skeleton } from "../../ui/Skeleton";
import { useBusy } from "../../ui/useBusy";
import { detailsPage } from "./detailsPage";
import { Grid } from "./Grid";
import styles from "./Manager.module.css";
import { NoPlugins } from "./NoPlugins";
import { PROBLEMS_ID, Problems } from "./Problems";
import { problems, watchProblems } from "./problems";
import { rescan } from "./rescan";
import { Toolbar } from "./Toolbar";
import { useArranged } from "./useArranged";
import { addressOf, type View, viewOf } from "./view";

export function Manager() {
  const view = viewOf(useSearch());
  useEffect(watchProblems, []);

  return (
    <Page title={managerTexts.title} actions={<Actions />}>
      <Later name="manager">
        {() => (
          <>
            <Plugins view={view} />
            {pluginsLoaded.value && <Problems />}
          </>
        )}
      </Later>
      {view.plugin && <detailsPage.Page key={view.plugin} view={view} />}
    </Page>
  );
}

function Actions() {
  const [busy, run] = useBusy();
  const count = problems.value.length;
  return (
    <>
      {count > 0 && (
        <Button
          variant="ghost"
          icon={TriangleAlert}
          onClick={() => {
            const section = document.getElementById(PROBLEMS_ID);
            section?.scrollIntoView({ block: "center" });
            section?.focus({ preventScroll: true });
          }}
        >
          {managerTexts.problemsShort(count)}
        </Button>
      )}
      <Button icon={RefreshCw} busy={busy} title={managerTexts.rescanHint} onClick={() => run(rescan)}>
        {managerTexts.rescan}
      </Button>
    </>
  );
}

function Plugins({ view }: { view: View }) {
  const ids = useArranged(view);
  if (!pluginsLoaded.value) {
    if (pluginsFailure.value) {
      return <ErrorPanel title={uiTexts.notLoaded} error={pluginsFailure.value} onRetry={refreshPlugins} />;
    }
    return (
      <>
        <Skeleton height="2.125rem" />
        <div class={styles.grid} role="status" aria-label={uiTexts.loading}>
          <Skeleton height="14.3125rem" count={6} />
        </div>
      </>
    );
  }
  if (!pluginList.value.length) return <NoPlugins />;
  return (
    <>
      <Toolbar view={view} shown={ids.length} />
      {ids.length ? (
        <Grid ids={ids} view={view} />
      ) : (
        <Empty icon={Blocks} title={managerTexts.noMatch}>
          <p>{managerTexts.noMatchHint}</p>
          <Button onClick={() => navigate(addressOf({ ...view, q: "", show: "all" }), { replace: true })}>
            {managerTexts.showAll}
          </Button>
        </Empty>
      )}
    </>
  );
}
