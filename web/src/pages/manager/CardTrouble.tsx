/** What is wrong with a plugin, in the place of its charts, so that the card keeps its size. */
import { ScrollText } from "lucide-preact";
import type { Plugin } from "../../api/types";
import { managerTexts } from "../../texts";
import { IconButton } from "../../ui/IconButton";
import { openLogs } from "../logs/open";
import styles from "./PluginCard.module.css";

export function CardTrouble({ plugin, problem }: { plugin: Plugin; problem: string }) {
  return (
    <div class={styles.trouble}>
      <p class={styles.problem} title={problem}>
        {problem}
      </p>
      <IconButton size="s" icon={ScrollText} label={managerTexts.logs} onClick={() => openLogs(plugin.id)} />
    </div>
  );
}
