/** One plugin: who it is, how it is, what it uses, and what can be done with it. */
import { useRef } from "preact/hooks";
import { Link } from "wouter-preact";
import type { Plugin } from "../../api/types";
import { pluginOf } from "../../state/plugins";
import { managerTexts } from "../../texts";
import { Highlight } from "../../ui/Highlight";
import { PluginIcon } from "../../ui/PluginIcon";
import { CardActions } from "./CardActions";
import { CardCharts, CardCounts } from "./CardFigures";
import { CardTrouble } from "./CardTrouble";
import { EnabledSwitch } from "./controls";
import { OPENED_HERE } from "./detailsAddress";
import styles from "./PluginCard.module.css";
import { StateLine } from "./StateLine";
import { type Seen, useOnScreen } from "./useOnScreen";

export interface PluginCardProps {
  id: string;
  /** What was searched for. */
  query: string;
  /** Where its details are. */
  href: string;
}

export function cardLinkId(id: string): string {
  return `card-${id}`;
}

export function PluginCard({ id, query, href }: PluginCardProps) {
  const card = useRef<HTMLLIElement>(null);
  const seen = useOnScreen(card);
  const plugin = pluginOf(id).value;
  if (!plugin) return null;
  return (
    <li class={styles.card} ref={card}>
      <div class={styles.head}>
        <PluginIcon plugin={plugin} />
        <div class={styles.names}>
          <h2 class={styles.name} dir="auto" title={plugin.name}>
            <Link id={cardLinkId(id)} href={href} state={OPENED_HERE} class={styles.link}>
              <Highlight text={plugin.name} query={query.trim()} />
            </Link>
          </h2>
          <p class={styles.sub} title={`${plugin.version} ${plugin.author}`}>
            {plugin.version && <span class={styles.version}>{managerTexts.version(plugin.version)}</span>}
            {plugin.author && <bdi class={styles.author}>{plugin.author}</bdi>}
          </p>
        </div>
        <div class={styles.above}>
          <EnabledSwitch plugin={plugin} label={managerTexts.enabled(plugin.name)} />
        </div>
      </div>
      <div class={styles.state}>
        <StateLine plugin={plugin} />
        <CardActions plugin={plugin} />
      </div>
      <div class={styles.middle}>
        <Middle plugin={plugin} seen={seen} />
      </div>
      {seen.ever && <CardCounts plugin={plugin} live={seen.now} />}
    </li>
  );
}

function Middle({ plugin, seen }: { plugin: Plugin; seen: Seen }) {
  if (plugin.problem !== null) return <CardTrouble plugin={plugin} problem={plugin.problem} />;
  if (!plugin.enabled) return <p class={styles.quiet}>{plugin.description || managerTexts.off}</p>;
  return seen.ever ? <CardCharts id={plugin.id} live={seen.now} /> : null;
}
