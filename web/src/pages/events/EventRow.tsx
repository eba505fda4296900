/** One event: what it is about, what happened, and when; the rest is folded. */
import { ChevronRight } from "lucide-preact";
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import type { EventType, PluginEvent } from "../../api/types";
import { dateTime, timeOfDay } from "../../format";
import { happened } from "../../happened";
import { paths } from "../../navigation";
import { pluginOf } from "../../state/plugins";
import { eventsTexts, productName } from "../../texts";
import { cx } from "../../ui/cx";
import { Dot, type DotTone } from "../../ui/Dot";
import { PluginIcon } from "../../ui/PluginIcon";
import { useId } from "../../ui/useId";
import styles from "./EventRow.module.css";

const TONES: Partial<Record<EventType, DotTone>> = {
  crashed: "bad",
  "disabled-after-crashes": "bad",
  problem: "bad",
  unhealthy: "bad",
  ready: "ok",
  upgraded: "ok",
  restarting: "wait",
};

export function EventRow({ event }: { event: PluginEvent }) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const details = Object.entries(event.details);
  return (
    <li class={styles.event}>
      <div class={styles.row}>
        <span class={styles.dot}>
          <Dot tone={TONES[event.type] ?? "off"} />
        </span>
        <Subject event={event} />
        <p class={styles.what} dir="auto">
          {happened(event)}
        </p>
        <time class={styles.when} dateTime={event.timestamp} title={dateTime(event.timestamp)}>
          {timeOfDay(event.timestamp).slice(0, 8)}
        </time>
        {details.length > 0 && (
          <button
            type="button"
            class={cx(styles.unfold, open && styles.unfolded)}
            aria-expanded={open}
            aria-controls={id}
            aria-label={eventsTexts.details}
            onClick={() => setOpen(!open)}
          >
            <ChevronRight size={15} aria-hidden="true" />
          </button>
        )}
      </div>
      {open && (
        <dl class={styles.details} id={id}>
          {[[eventsTexts.type, event.type] as const, ...details].map(([name, value]) => (
            <div key={name} class={styles.fact}>
              <dt>{name}</dt>
              <dd>{typeof value === "string" ? value : JSON.stringify(value, null, 2)}</dd>
            </div>
          ))}
        </dl>
      )}
    </li>
  );
}

function Subject({ event }: { event: PluginEvent }) {
  const { plugin: id, details } = event;
  const plugin = pluginOf(id).value;
  if (plugin) {
    return (
      <Link class={styles.subject} href={paths.plugin(id)}>
        <PluginIcon plugin={plugin} size="s" />
        <span class={styles.name}>{plugin.name}</span>
      </Link>
    );
  }
  const file = typeof details.file === "string" ? details.file : "";
  return (
    <span class={styles.subject}>
      <PluginIcon plugin={{ icon: "", name: id || file || productName }} size="s" />
      <span class={styles.name}>{id || file || productName}</span>
    </span>
  );
}
