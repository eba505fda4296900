/** What a plugin wrote: the lines, which of them one wants to see, and what one can do with them. */
import { ArrowDown, Braces, Copy, Download, FileText, SearchX, TextSelect } from "lucide-preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { isAbort } from "../../api/problem";
import { keptSignal } from "../../state/kept";
import { pluginOf } from "../../state/plugins";
import { showError, showToast } from "../../state/toasts";
import { logsTexts, uiTexts } from "../../texts";
import { Button } from "../../ui/Button";
import { copyText } from "../../ui/CopyButton";
import { cx } from "../../ui/cx";
import { Empty } from "../../ui/Empty";
import { ErrorPanel } from "../../ui/ErrorPanel";
import { Menu } from "../../ui/Menu";
import { Skeleton } from "../../ui/Skeleton";
import { useId } from "../../ui/useId";
import { downloadLines, type Format } from "./download";
import type { LogFeed } from "./feed";
import { EVERYTHING, isEverything, type LogFilter } from "./filter";
import { LineView } from "./LineView";
import styles from "./LogView.module.css";
import { asText } from "./line";
import { Status } from "./Status";
import { Toolbar } from "./Toolbar";
import { useFeed } from "./useFeed";
import { useShortcuts } from "./useShortcuts";

const wrapping = keptSignal("logs-wrap", ["yes", "no"], "yes");

export default function LogView({ id }: { id: string }) {
  const name = pluginOf(id).value?.name ?? id;
  const keysId = useId();
  const place = useRef<HTMLDivElement>(null);
  const [filter, setFilter] = useState<LogFilter>(EVERYTHING);
  const feed = useFeed(id, filter);
  const [downloaded, download] = useDownload(id, filter);
  const wrap = wrapping.value === "yes";
  const busy = feed?.filter !== filter || feed.state.value === "loading";

  useShortcuts(place, {
    search: () => place.current?.querySelector<HTMLInputElement>("input[type=search]")?.select(),
    newest: () => feed?.follow(),
  });

  function copyAll(): void {
    const lines = [...(feed?.list ?? [])];
    const text = lines.map((line) => `${asText(line.record)}\n`).join("");
    copyText(text).then(() => showToast(logsTexts.linesCopied(lines.length), "success"), showError);
  }

  return (
    <div class={styles.view} ref={place}>
      <Toolbar
        filter={filter}
        onFilter={(change) => setFilter((before) => ({ ...before, ...change }))}
        following={feed?.following.value ?? true}
        onFollow={(follow) => (follow ? feed?.follow() : feed?.pause())}
        wrap={wrap}
        onWrap={(yes) => {
          wrapping.value = yes ? "yes" : "no";
        }}
      >
        <Menu
          label={logsTexts.more}
          icon={Download}
          items={[
            { label: logsTexts.copyShown, icon: Copy, onSelect: copyAll, disabled: !feed?.list.length },
            { label: logsTexts.downloadText, icon: FileText, onSelect: () => download.begin("txt") },
            { label: logsTexts.downloadJson, icon: Braces, onSelect: () => download.begin("ndjson") },
          ]}
        />
      </Toolbar>
      {downloaded !== null && (
        <p class={styles.download}>
          {logsTexts.downloading(downloaded)}
          <Button size="s" onClick={download.stop}>
            {uiTexts.cancel}
          </Button>
        </p>
      )}
      <div class={cx(styles.frame, busy && styles.busy)} aria-busy={busy}>
        {feed ? (
          <Lines
            feed={feed}
            name={name}
            wrap={wrap}
            keysId={keysId}
            onClear={() => setFilter(EVERYTHING)}
            busy={busy}
          />
        ) : (
          <div class={styles.skeleton}>
            <Skeleton height="1rem" count={12} />
          </div>
        )}
      </div>
      <Status feed={feed} keysId={keysId} />
    </div>
  );
}

interface LinesProps {
  feed: LogFeed;
  name: string;
  wrap: boolean;
  keysId: string;
  onClear: () => void;
  busy: boolean;
}

function Lines({ feed, name, wrap, keysId, onClear, busy }: LinesProps) {
  feed.version.value;
  if (feed.state.value === "failed") {
    return (
      <div class={styles.middle}>
        <ErrorPanel title={logsTexts.failed} error={feed.error.value} onRetry={() => feed.reload()} />
      </div>
    );
  }
  if (!feed.list.length && !busy) {
    return (
      <div class={styles.middle}>
        {isEverything(feed.filter) ? (
          <Empty icon={TextSelect} title={logsTexts.nothing(name)}>
            {logsTexts.nothingHint}
          </Empty>
        ) : (
          <Empty icon={SearchX} title={logsTexts.noMatch}>
            <p>{feed.live.value === "off" ? logsTexts.noMatchThen : logsTexts.noMatchHint}</p>
            <Button onClick={onClear}>{logsTexts.clearFilters}</Button>
          </Empty>
        )}
      </div>
    );
  }
  return (
    <>
      <LineView feed={feed} label={logsTexts.lines(name)} describedBy={keysId} wrap={wrap} />
      {!feed.following.value && <Newest feed={feed} />}
    </>
  );
}

function Newest({ feed }: { feed: LogFeed }) {
  const { count, more } = feed.waiting.value;
  return (
    <div class={styles.newest}>
      <Button variant="primary" icon={ArrowDown} onClick={() => feed.follow()}>
        {logsTexts.newest}
        {count > 0 && <span class={styles.waiting}>{logsTexts.waiting(count, more)}</span>}
      </Button>
    </div>
  );
}

interface DownloadControl {
  begin: (format: Format) => void;
  stop: () => void;
}

/** One download at a time; how many lines of it came so far, null where there is none. */
function useDownload(id: string, filter: LogFilter): [number | null, DownloadControl] {
  const [count, setCount] = useState<number | null>(null);
  const running = useRef<AbortController | null>(null);

  useEffect(() => () => running.current?.abort(), []);

  async function begin(format: Format): Promise<void> {
    if (running.current) return;
    const mine = new AbortController();
    running.current = mine;
    setCount(0);
    try {
      const done = await downloadLines({ id, filter, format, signal: mine.signal, onProgress: setCount });
      showToast(logsTexts.downloaded(done), "success");
    } catch (error) {
      if (!isAbort(error)) showError(error);
    } finally {
      running.current = null;
      setCount(null);
    }
  }

  return [count, { begin: (format) => void begin(format), stop: () => running.current?.abort() }];
}
