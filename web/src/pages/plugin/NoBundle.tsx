/** A plugin that has no view of its own: what there is to know of it, and where it answers. */
import { AppWindow } from "lucide-preact";
import { api } from "../../api/client";
import type { Plugin } from "../../api/types";
import { isAdmin } from "../../state/session";
import utilities from "../../styles/utilities.module.css";
import { pluginTexts } from "../../texts";
import { Card } from "../../ui/Card";
import { cx } from "../../ui/cx";
import styles from "./NoBundle.module.css";

export function NoBundle({ plugin }: { plugin: Plugin }) {
  const url = api.routeUrl(plugin.route);
  const facts: [string, preact.ComponentChildren][] = [
    [pluginTexts.facts.version, plugin.version],
    [pluginTexts.facts.author, plugin.author],
    [
      pluginTexts.facts.route,
      <a key="route" class={cx(utilities.link, utilities.mono)} href={url} target="_blank" rel="noreferrer">
        {url}
      </a>,
    ],
    [pluginTexts.facts.capabilities, plugin.capabilities.join(", ")],
  ];
  return (
    <div class={styles.place}>
      <Card class={styles.card}>
        <AppWindow class={styles.icon ?? ""} size={20} aria-hidden="true" />
        <div class={styles.inside}>
          <h2 class={styles.title}>{pluginTexts.noBundle}</h2>
          <p class={styles.muted}>{plugin.description || pluginTexts.noBundleHint}</p>
          <dl class={styles.facts}>
            {facts
              .filter(([, fact]) => fact)
              .map(([name, fact]) => (
                <div key={name} class={styles.fact}>
                  <dt>{name}</dt>
                  <dd>{fact}</dd>
                </div>
              ))}
          </dl>
          {isAdmin.value && <p class={styles.muted}>{pluginTexts.noBundleHelp(plugin.id)}</p>}
        </div>
      </Card>
    </div>
  );
}
