/** What happened to a plugin, newest first, as it happens. */
import { History } from "lucide-preact";
import type { EventType } from "../../../api/types";
import { happened } from "../../../happened";
import { detailsTexts, uiTexts } from "../../../texts";
import { Button } from "../../../ui/Button";
import { Dot, type DotTone } from "../../../ui/Dot";
import { Empty } from "../../../ui/Empty";
import { ErrorPanel } from "../../../ui/ErrorPanel";
import { RelativeTime } from "../../../ui/RelativeTime";
import { Skeleton } from "../../../ui/Skeleton";
import styles from "./Timeline.module.css";
import { useTimeline } from "./useTimeline";

const TONES: Partial<Record<EventType, DotTone>> = {
  crashed: "bad",
  "disabled-after-crashes": "bad",
  problem: "bad",
  unhealthy: "bad",
  ready: "ok",
  upgraded: "ok",
  restarting: "wait",
};

export function Timeline({ id }: { id: string }) {
  const { events, error, loading, hasOlder, older, retry } = useTimeline(id);
  return (
    <>
      {error !== undefined && <ErrorPanel title={uiTexts.notLoaded} error={error} onRetry={retry} />}
      {!events && error === undefined && <Skeleton height="2rem" count={8} />}
      {events?.length === 0 && <Empty icon={History} title={detailsTexts.noEvents} />}
      <ol class={styles.timeline} aria-label={detailsTexts.events}>
        {events?.map((event) => (
          <li key={event.id} class={styles.event}>
            <Dot tone={TONES[event.type] ?? "off"} />
            <p class={styles.what}>{happened(event)}</p>
            <p class={styles.when}>
              <RelativeTime time={event.timestamp} />
            </p>
          </li>
        ))}
      </ol>
      {hasOlder && (
        <div class={styles.older}>
          <Button size="s" busy={loading} onClick={older}>
            {detailsTexts.older}
          </Button>
        </div>
      )}
    </>
  );
}
