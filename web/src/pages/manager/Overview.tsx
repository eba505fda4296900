/** The plugins as a client sees them: what there is to open. */
import { Blocks } from "lucide-preact";
import { Link, useSearch } from "wouter-preact";
import { paths } from "../../navigation";
import { enabledPlugins, pluginsFailure, pluginsLoaded, refreshPlugins } from "../../state/plugins";
import { managerTexts, uiTexts } from "../../texts";
import { Dot, healthOf } from "../../ui/Dot";
import { Empty } from "../../ui/Empty";
import { ErrorPanel } from "../../ui/ErrorPanel";
import { Page } from "../../ui/Page";
import { PluginIcon } from "../../ui/PluginIcon";
import { Skeleton } from "../../ui/Skeleton";
import styles from "./Overview.module.css";
import { viewOf } from "./view";

export function Overview() {
  const { plugin } = viewOf(useSearch());
  return (
    <Page title={managerTexts.clientTitle}>
      {plugin && <p class={styles.note}>{managerTexts.adminsOnly}</p>}
      <Tiles />
    </Page>
  );
}

function Tiles() {
  if (!pluginsLoaded.value) {
    if (pluginsFailure.value) {
      return <ErrorPanel title={uiTexts.notLoaded} error={pluginsFailure.value} onRetry={refreshPlugins} />;
    }
    return (
      <div class={styles.tiles}>
        <Skeleton height="5.5rem" count={6} />
      </div>
    );
  }
  const plugins = enabledPlugins.value;
  if (!plugins.length) {
    return (
      <Empty icon={Blocks} title={managerTexts.clientEmpty}>
        {managerTexts.clientEmptyHint}
      </Empty>
    );
  }
  return (
    <ul class={styles.tiles}>
      {plugins.map((plugin) => (
        <li key={plugin.id}>
          <Link href={paths.plugin(plugin.id)} class={styles.tile}>
            <PluginIcon plugin={plugin} />
            <span class={styles.text}>
              <span class={styles.name} dir="auto">
                {plugin.name}
              </span>
              <span class={styles.description} dir="auto">
                {plugin.description}
              </span>
            </span>
            <Dot {...healthOf(plugin)} />
          </Link>
        </li>
      ))}
    </ul>
  );
}
