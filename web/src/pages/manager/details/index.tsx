/** All about one plugin, beside the manager. */
import { PackageX, ScrollText, SquareArrowOutUpRight } from "lucide-preact";
import { useEffect } from "preact/hooks";
import type { Plugin } from "../../../api/types";
import { paths } from "../../../navigation";
import { pluginOf, pluginsLoaded } from "../../../state/plugins";
import { detailsTexts } from "../../../texts";
import { Button, ButtonLink } from "../../../ui/Button";
import { Empty } from "../../../ui/Empty";
import { PluginIcon } from "../../../ui/PluginIcon";
import { SidePanel } from "../../../ui/SidePanel";
import { Skeleton } from "../../../ui/Skeleton";
import { Tabs } from "../../../ui/Tabs";
import { openLogs } from "../../logs/open";
import { EnabledSwitch, RestartButton } from "../controls";
import { closeDetails, showTab } from "../detailsAddress";
import { cardLinkId } from "../PluginCard";
import { StateLine } from "../StateLine";
import { TABS, type View } from "../view";
import styles from "./Details.module.css";
import { DiscardDialog } from "./DiscardDialog";
import { leaving, unlessUnsaved } from "./draft";
import { Facts } from "./Facts";
import { Notice } from "./Notice";
import { Storage } from "./Storage";
import { Timeline } from "./Timeline";

export default function Details({ view }: { view: View }) {
  const id = view.plugin;
  const plugin = pluginOf(id).value;

  useEffect(
    () => () => {
      // Where the page was opened with the details there is no other place that had the focus.
      requestAnimationFrame(() => {
        if (document.activeElement === document.body) document.getElementById(cardLinkId(id))?.focus();
      });
    },
    [id],
  );

  return (
    <SidePanel title={<Title id={id} plugin={plugin} />} onClose={() => unlessUnsaved(closeDetails)}>
      {plugin ? <Inside plugin={plugin} view={view} /> : <Missing />}
      {leaving.value && <DiscardDialog />}
    </SidePanel>
  );
}

function Title({ id, plugin }: { id: string; plugin: Plugin | undefined }) {
  if (!plugin) return <bdi>{id}</bdi>;
  return (
    <span class={styles.title} title={plugin.name}>
      <PluginIcon plugin={plugin} size="s" />
      <bdi class={styles.name}>{plugin.name}</bdi>
    </span>
  );
}

function Missing() {
  if (!pluginsLoaded.value) return <Skeleton height="2rem" count={6} />;
  return (
    <Empty icon={PackageX} title={detailsTexts.gone}>
      {detailsTexts.goneHint}
    </Empty>
  );
}

function Inside({ plugin, view }: { plugin: Plugin; view: View }) {
  const tabs = TABS.map((tab) => ({ id: tab, label: detailsTexts.tabs[tab] }));
  return (
    <>
      <div class={styles.top}>
        <div class={styles.state}>
          <StateLine plugin={plugin} />
        </div>
        {plugin.description && (
          <p class={styles.description} dir="auto">
            {plugin.description}
          </p>
        )}
        <div class={styles.actions}>
          {plugin.enabled && (
            <ButtonLink
              href={paths.plugin(plugin.id)}
              size="s"
              variant="primary"
              icon={SquareArrowOutUpRight}
            >
              {detailsTexts.open}
            </ButtonLink>
          )}
          <Button size="s" icon={ScrollText} onClick={() => openLogs(plugin.id)}>
            {detailsTexts.logs}
          </Button>
          <RestartButton plugin={plugin} />
          <span class={styles.enabled}>
            <EnabledSwitch plugin={plugin} label={detailsTexts.enabled} showLabel />
          </span>
        </div>
        {plugin.problem !== null && <Notice plugin={plugin} problem={plugin.problem} />}
      </div>
      <Tabs
        label={detailsTexts.view}
        tabs={tabs}
        selected={view.tab}
        onSelect={(tab) => unlessUnsaved(() => showTab(tab))}
      >
        {view.tab === "overview" && <Facts plugin={plugin} />}
        {view.tab === "events" && <Timeline id={plugin.id} />}
        {view.tab === "storage" && <Storage id={plugin.id} />}
      </Tabs>
    </>
  );
}
