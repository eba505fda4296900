/** How a plugin is, in words, and since when or until when. */
import { useComputed } from "@preact/signals";
import type { Plugin } from "../../api/types";
import { duration } from "../../format";
import { secondsSince } from "../../state/clock";
import { managerTexts } from "../../texts";
import { Dot, healthOf } from "../../ui/Dot";
import { now } from "../../ui/RelativeTime";
import { usePending } from "./controls";
import styles from "./StateLine.module.css";

export function StateLine({ plugin }: { plugin: Plugin }) {
  const pending = usePending(plugin.id);
  const { tone, label } = pending
    ? { tone: "wait" as const, label: managerTexts.pending[pending] }
    : stateOf(plugin);
  return (
    <p class={styles.line}>
      <Dot tone={tone} />
      <span class={styles[tone]}>{label}</span>
      {!pending && <When plugin={plugin} />}
      {plugin.pid != null && <span class={styles.pid}>{managerTexts.pid(plugin.pid)}</span>}
    </p>
  );
}

function stateOf(plugin: Plugin): ReturnType<typeof healthOf> {
  if (!plugin.enabled && plugin.problem) return { tone: "bad", label: managerTexts.gaveUp };
  return healthOf(plugin);
}

function When({ plugin }: { plugin: Plugin }) {
  if (plugin.next_restart_at) return <NextTry key={plugin.next_restart_at} at={plugin.next_restart_at} />;
  if (plugin.running && plugin.started_at) {
    return <Uptime key={plugin.started_at} since={plugin.started_at} />;
  }
  return null;
}

/** Counts up; the text alone is drawn anew. */
export function Uptime({ since }: { since: string }) {
  const text = useComputed(() => duration(Math.max(secondsSince(since, now.value), 0)));
  return (
    <span class={styles.when} title={managerTexts.upFor}>
      {text}
    </span>
  );
}

function NextTry({ at }: { at: string }) {
  const text = useComputed(() => managerTexts.nextTry(Math.round(-secondsSince(at, now.value))));
  return <span class={styles.when}>{text}</span>;
}
