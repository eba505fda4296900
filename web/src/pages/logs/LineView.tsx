/** The lines, of which only those are drawn that are seen. */
import { effect } from "@preact/signals";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { showError, showToast } from "../../state/toasts";
import { logsTexts, uiTexts } from "../../texts";
import { Button } from "../../ui/Button";
import { copyText } from "../../ui/CopyButton";
import { Spinner } from "../../ui/Spinner";
import { estimator } from "./estimate";
import type { LogFeed } from "./feed";
import { isEverything } from "./filter";
import { LineRow, rowId } from "./LineRow";
import styles from "./LineView.module.css";
import { asText, type Line } from "./line";
import { HEAD, Viewport } from "./viewport";

// Below the last line; and where the button to the newest hangs there, so that it hides none.
const FOOT = 8;
const FOOT_WITH_BUTTON = 64;

export interface LineViewProps {
  feed: LogFeed;
  label: string;
  /** The id of what says which keys do what. */
  describedBy: string;
  wrap: boolean;
}

export function LineView({ feed, label, describedBy, wrap }: LineViewProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLDivElement>(null);
  const rows = useRef<HTMLTableElement>(null);
  const [, setDrawn] = useState(0);
  const draw = useCallback(() => setDrawn((count) => count + 1), []);
  const [current, setCurrent] = useState<Line | null>(null);
  const [unfolded, setUnfolded] = useState<ReadonlySet<number>>(new Set());
  const { list } = feed;
  const viewport = useMemo(() => new Viewport(list), [list]);
  /** Where we scrolled to ourselves; anything else is the reader. */
  const ours = useRef(0);
  /** Somebody holds the mouse or a finger on the lines: nothing moves under it. */
  const held = useRef(false);
  /** What was unfolded just now is to be seen. */
  const toReveal = useRef<Line | null>(null);

  feed.version.value;
  const following = feed.following.value;
  viewport.foot = following ? FOOT : FOOT_WITH_BUTTON;
  const range = viewport.range(viewport.aim(following && !held.current));
  const lines = range ? list.slice(range.from, range.to) : [];
  const firstSeq = list.first?.seq ?? 0;

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || !canvas.current || !rows.current) return;
    for (const row of rows.current.children) {
      const { seq } = (row as HTMLElement).dataset;
      if (seq !== undefined) list.setHeight(Number(seq), row.getBoundingClientRect().height);
    }
    canvas.current.style.height = `${viewport.total}px`;
    if (range) rows.current.style.transform = `translateY(${HEAD + list.offsetOf(range.from)}px)`;
    if (toReveal.current) reveal(toReveal.current);
    toReveal.current = null;
    const top = viewport.aim(feed.following.peek() && !held.current);
    if (Math.abs(element.scrollTop - top) > 0.5) element.scrollTop = top;
    ours.current = element.scrollTop;
    viewport.scrolled(top);
    afterScroll(top);
  });

  /** Draws more where what is seen now is not drawn. */
  function afterScroll(top: number): void {
    const seen = viewport.range(top, 0);
    if (seen && (!range || seen.from < range.from || seen.to > range.to)) draw();
    if (top < HEAD + viewport.height && feed.older.peek() === "more") void feed.loadOlder();
  }

  function scrolled(): void {
    const element = scroller.current;
    if (!element || Math.abs(element.scrollTop - ours.current) <= 1) return;
    const top = element.scrollTop;
    const down = top > ours.current;
    ours.current = top;
    viewport.scrolled(top);
    if (!isAtEnd()) feed.pause();
    else if (down && !feed.following.peek()) feed.readOn();
    afterScroll(top);
  }

  function reveal(line: Line): void {
    const wanted = viewport.reveal(line.seq, ours.current);
    if (wanted !== null) viewport.scrolled(line === list.first ? 0 : wanted);
  }

  function isAtEnd(): boolean {
    const element = scroller.current;
    return !element || element.scrollTop + element.clientHeight >= element.scrollHeight - 4;
  }

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    let width = 0;
    const measure = () => {
      viewport.height = element.clientHeight;
      if (element.clientWidth !== width) {
        width = element.clientWidth;
        list.estimate = estimator(element, wrap);
        list.estimateAll();
      }
      draw();
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [list, viewport, wrap, draw]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: what they call looks at the latest itself
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const wheel = (event: WheelEvent) => {
      if (event.deltaY < 0 && element.scrollTop > 0) feed.pause();
      else if (event.deltaY > 0 && isAtEnd() && !feed.following.peek()) feed.readOn();
    };
    const hold = () => {
      held.current = true;
    };
    const letGo = () => {
      if (!held.current) return;
      held.current = false;
      const selection = getSelection();
      if (selection && !selection.isCollapsed && element.contains(selection.anchorNode)) feed.pause();
      draw();
    };
    const passive = { passive: true };
    element.addEventListener("wheel", wheel, passive);
    element.addEventListener("pointerdown", hold, passive);
    for (const name of ["pointerup", "pointercancel", "touchend", "blur"])
      window.addEventListener(name, letGo);
    return () => {
      element.removeEventListener("wheel", wheel);
      element.removeEventListener("pointerdown", hold);
      for (const name of ["pointerup", "pointercancel", "touchend", "blur"])
        window.removeEventListener(name, letGo);
    };
  }, [feed]);

  useEffect(() => {
    setCurrent(null);
    return effect(() => {
      if (feed.following.value) setCurrent(null);
    });
  }, [feed]);

  function toggle(line: Line): void {
    feed.pause();
    const next = new Set(unfolded);
    if (!next.delete(line.record.id)) {
      next.add(line.record.id);
      toReveal.current = line;
    }
    setUnfolded(next);
    setCurrent(line);
    // The button in the line may be gone soon.
    rows.current?.focus({ preventScroll: true });
  }

  function copy(line: Line): void {
    copyText(asText(line.record)).then(() => showToast(logsTexts.lineCopied, "success"), showError);
  }

  function move(by: 1 | -1): void {
    const top = scroller.current?.scrollTop ?? 0;
    const here = current && list.at(current.seq) === current ? list.at(current.seq + by) : undefined;
    const inView = viewport.range(top, 0);
    const start = inView && list.at(by > 0 ? inView.from : inView.to);
    const next = current ? (here ?? current) : start;
    if (!next) return;
    feed.pause();
    setCurrent(next);
    reveal(next);
    draw();
  }

  function pressed(event: KeyboardEvent): void {
    if (event.target !== rows.current || event.ctrlKey || event.metaKey || event.altKey) return;
    const isOpen = current !== null && unfolded.has(current.record.id);
    const done: Record<string, (() => void) | undefined> = {
      ArrowDown: () => move(1),
      ArrowUp: () => move(-1),
      Enter: current ? () => toggle(current) : undefined,
      ArrowRight: current && !isOpen ? () => toggle(current) : undefined,
      ArrowLeft: current && isOpen ? () => toggle(current) : undefined,
      c: current ? () => copy(current) : undefined,
    };
    const doIt = done[event.key];
    if (!doIt) return;
    event.preventDefault();
    doIt();
  }

  return (
    <div ref={scroller} class={styles.scroller} onScroll={scrolled}>
      <div ref={canvas} class={styles.canvas}>
        <div class={styles.head}>
          <Head feed={feed} />
        </div>
        <table
          ref={rows}
          class={styles.rows}
          // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a grid is a table with a cursor
          role="grid"
          tabIndex={0}
          aria-label={label}
          aria-describedby={describedBy}
          aria-rowcount={list.length}
          aria-readonly="true"
          aria-activedescendant={current && lines.includes(current) ? rowId(current) : undefined}
          onKeyDown={pressed}
        >
          {lines.map((line, index) => (
            <LineRow
              // While one follows a flood all lines are others each time: then what is drawn is used again.
              key={following ? index : line.record.id}
              line={line}
              number={line.seq - firstSeq + 1}
              search={feed.filter.text}
              wrap={wrap}
              current={line === current}
              unfolded={unfolded.has(line.record.id)}
              onToggle={toggle}
              onCopy={copy}
            />
          ))}
        </table>
      </div>
    </div>
  );
}

function Head({ feed }: { feed: LogFeed }) {
  const older = feed.older.value;
  if (older === "none") return <>{isEverything(feed.filter) ? logsTexts.noOlder : logsTexts.noOlderMatch}</>;
  if (older === "more") return null;
  if (older === "loading") {
    return (
      <>
        <Spinner /> {logsTexts.loadingOlder}
      </>
    );
  }
  return (
    <>
      {logsTexts.olderFailed}
      <Button size="s" onClick={() => feed.loadOlder()}>
        {uiTexts.retry}
      </Button>
    </>
  );
}
