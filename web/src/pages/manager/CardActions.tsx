/** What can be done with a plugin from its card, beside the switch. */
import { Database, PanelRight, ScrollText, SquareArrowOutUpRight } from "lucide-preact";
import type { Plugin } from "../../api/types";
import { navigate, paths } from "../../navigation";
import { managerTexts } from "../../texts";
import { Menu } from "../../ui/Menu";
import { openLogs } from "../logs/open";
import { RestartIcon } from "./controls";
import { openDetails } from "./detailsAddress";
import styles from "./PluginCard.module.css";

export function CardActions({ plugin }: { plugin: Plugin }) {
  const { id, name } = plugin;
  return (
    <div class={styles.above}>
      <RestartIcon plugin={plugin} />
      <Menu
        size="s"
        label={managerTexts.more(name)}
        items={[
          {
            label: managerTexts.open,
            icon: SquareArrowOutUpRight,
            onSelect: () => navigate(paths.plugin(id)),
            disabled: !plugin.enabled,
          },
          { label: managerTexts.logs, icon: ScrollText, onSelect: () => openLogs(id) },
          { label: managerTexts.details, icon: PanelRight, onSelect: () => openDetails(id) },
          { label: managerTexts.storage, icon: Database, onSelect: () => openDetails(id, "storage") },
        ]}
      />
    </div>
  );
}
