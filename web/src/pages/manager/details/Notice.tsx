/** What is wrong with a plugin, and what to do about it. */
import { TriangleAlert } from "lucide-preact";
import type { Plugin } from "../../../api/types";
import { detailsTexts } from "../../../texts";
import styles from "./Notice.module.css";

export function Notice({ plugin, problem }: { plugin: Plugin; problem: string }) {
  const { title, hint } = explain(plugin);
  return (
    <div class={styles.notice}>
      <TriangleAlert class={styles.icon ?? ""} size={16} aria-hidden="true" />
      <div class={styles.text}>
        <p class={styles.title}>{title}</p>
        <p class={styles.problem}>{problem}</p>
        <p class={styles.hint}>{hint}</p>
      </div>
    </div>
  );
}

function explain(plugin: Plugin): { title: string; hint: string } {
  if (!plugin.enabled) return { title: detailsTexts.gaveUp, hint: detailsTexts.gaveUpHint };
  if (plugin.health === "healthy") return { title: detailsTexts.problem, hint: detailsTexts.healthyHint };
  if (plugin.consecutive_crashes > 0) {
    return { title: detailsTexts.crashed, hint: detailsTexts.crashedHint(plugin.consecutive_crashes) };
  }
  return { title: detailsTexts.problem, hint: detailsTexts.problemHint };
}
