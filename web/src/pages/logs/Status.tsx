/** How many lines there are, whether new ones come, and which keys do what. */
import { logsTexts } from "../../texts";
import { Dot, type DotTone } from "../../ui/Dot";
import type { Live, LogFeed } from "./feed";
import styles from "./Status.module.css";

const TONES: Record<Live, DotTone> = { connecting: "wait", open: "ok", lost: "bad", off: "off" };

export function Status({ feed, keysId }: { feed: LogFeed | null; keysId: string }) {
  return (
    <footer class={styles.status}>
      {feed && <Numbers feed={feed} />}
      <p class={styles.hints} aria-hidden="true">
        {logsTexts.hints.map(([key, does]) => (
          <span key={key}>
            <kbd>{key}</kbd> {does}
          </span>
        ))}
      </p>
      <p id={keysId} hidden>
        {logsTexts.keys}
      </p>
    </footer>
  );
}

function Numbers({ feed }: { feed: LogFeed }) {
  feed.version.value;
  const { length } = feed.list;
  const total = feed.total.value;
  const live = feed.live.value;
  const paused = live === "open" && !feed.following.value;
  return (
    <>
      <p class={styles.live} role="status">
        <Dot tone={paused ? "wait" : TONES[live]} /> {paused ? logsTexts.paused : logsTexts.live[live]}
      </p>
      <p class={styles.count}>
        {total !== null && total > length ? logsTexts.countOf(length, total) : logsTexts.count(length)}{" "}
        {logsTexts.loaded}
      </p>
    </>
  );
}
