/** The last that a plugin wrote. */
import { useEffect } from "preact/hooks";
import { api } from "../../api/client";
import type { Plugin } from "../../api/types";
import { dateTime, timeOfDay } from "../../format";
import { pluginTexts, uiTexts } from "../../texts";
import { cx } from "../../ui/cx";
import { ErrorPanel } from "../../ui/ErrorPanel";
import { Skeleton } from "../../ui/Skeleton";
import { useLoad } from "../../ui/useLoad";
import styles from "./LastLines.module.css";

const LINES = 12;
/** What was written just before the end may come a moment after it. */
const MOMENT = 1000;

export function LastLines({ plugin: { id, last_exit } }: { plugin: Plugin }) {
  const { data, error, reload } = useLoad(
    (signal) => api.logs(id, { page_size: LINES }, signal),
    `${id} ${last_exit?.at}`,
  );

  useEffect(() => {
    if (!last_exit?.at) return;
    const timer = setTimeout(reload, MOMENT);
    return () => clearTimeout(timer);
  }, [last_exit?.at, reload]);

  return (
    <section class={styles.section} aria-label={pluginTexts.lastLines}>
      <h2 class={styles.title}>{pluginTexts.lastLines}</h2>
      {error !== undefined && <ErrorPanel title={uiTexts.notLoaded} error={error} onRetry={reload} />}
      {!data && error === undefined && <Skeleton height="16rem" />}
      {data && !data.logs.length && <p class={styles.none}>{pluginTexts.noLines}</p>}
      {data && data.logs.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
        <ol class={styles.lines} tabIndex={0} aria-label={pluginTexts.lastLines}>
          {[...data.logs].reverse().map((record) => (
            <li key={record.id} class={cx(styles.line, styles[record.level])}>
              <time dateTime={record.timestamp} title={dateTime(record.timestamp)}>
                {timeOfDay(record.timestamp)}
              </time>
              <span class={styles.level}>{record.level}</span>
              <span class={styles.message}>{plain(record.message)}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*[A-Za-z]`, "g");

function plain(message: string): string {
  return message.replace(COLOURS, "");
}
