/**
 * The lines of one plugin that match a filter: the newest first, older ones when they are asked for, and what comes
 * live. While nobody follows, what comes waits apart; where that becomes too much the stream is let go, and taken up
 * again behind the last line that is here. So nothing is missed, nothing is there twice, and memory stays bounded.
 */
import { signal } from "@preact/signals";
import { api } from "../../api/client";
import { isAbort } from "../../api/problem";
import type { StreamMessage } from "../../api/sse";
import { type LiveStream, openStream } from "../../api/stream";
import type { LogRecord } from "../../api/types";
import { type LogFilter, matcherOf, queryOf } from "./filter";
import { makeLine } from "./line";
import { LineList } from "./lineList";

export const MOST_LINES = 100_000;
const MOST_WEIGHT = 48_000_000;
const MOST_WAITING = 10_000;
const FIRST_PAGE = 300;
const NEXT_PAGE = 1000;
// What one sees at once is not worth more.
const FLUSH_AFTER = 100;
/** Pixels, until somebody measures. */
const LINE_HEIGHT = 24;
/** So few may come between the last line that was read and the newest without being noticed. */
const UNNOTICED = 50;

export type Older = "more" | "loading" | "none" | { error: unknown };
export type Live = "connecting" | "open" | "lost" | "off";

export class LogFeed {
  readonly list = new LineList(() => LINE_HEIGHT);
  readonly state = signal<"loading" | "ready" | "failed">("loading");
  readonly error = signal<unknown>(undefined);
  /** Changes whenever the lines do. */
  readonly version = signal(0);
  readonly following = signal(true);
  /** Lines that came since nobody follows; `more`: and others after them. */
  readonly waiting = signal<{ count: number; more: boolean }>({ count: 0, more: false });
  readonly older = signal<Older>("more");
  readonly live = signal<Live>("connecting");
  /** How many match in all; null where that is not known. */
  readonly total = signal<number | null>(null);

  readonly #matches: (record: LogRecord) => boolean;
  #stream: LiveStream | null = null;
  /** What was last heard of, whether it matched or not. */
  #heard = 0;
  /** The newest that came by itself and not with the stream. */
  #loaded = 0;
  /** Came since nobody follows. */
  #waiting: LogRecord[] = [];
  /** Came, and is not in the list yet. */
  #arrived: LogRecord[] = [];
  #flushing: ReturnType<typeof setTimeout> | undefined;
  #asking: AbortController | null = null;
  #slept = false;

  constructor(
    readonly id: string,
    readonly filter: LogFilter,
  ) {
    this.#matches = matcherOf(filter);
    this.#begin();
  }

  close(): void {
    this.#letGo();
    this.#asking?.abort();
    clearTimeout(this.#flushing);
  }

  /** Begin anew with the newest lines, and follow. */
  reload(): void {
    this.close();
    this.#begin();
  }

  /** The core is there again: do not wait for the next try. */
  retry(): void {
    if (this.live.peek() === "lost") this.#stream?.retry();
  }

  pause(): void {
    if (!this.following.peek()) return;
    this.#flush();
    this.following.value = false;
  }

  /** Go to the newest line and stay with it. */
  follow(): void {
    if (this.waiting.peek().more) {
      this.reload();
      return;
    }
    this.following.value = true;
    this.#takeWaiting();
  }

  /** Somebody who does not follow has come to the end of the lines. */
  readOn(): void {
    const { count, more } = this.waiting.peek();
    if (!more && count <= UNNOTICED && this.live.peek() !== "off") this.follow();
    else this.#takeWaiting();
  }

  async loadOlder(): Promise<void> {
    const first = this.list.first;
    const older = this.older.peek();
    if (!first || older === "loading" || older === "none" || this.state.peek() !== "ready") return;
    this.older.value = "loading";
    const asking = this.#ask();
    try {
      const query = { ...queryOf(this.filter), before: first.record.id, page_size: NEXT_PAGE };
      const { logs } = await api.logs(this.id, query, asking.signal);
      // Meanwhile the oldest may have gone, to make room for new ones.
      if (this.list.first === first) {
        this.list.prepend(logs.reverse().map(makeLine));
        if (!this.following.peek() && this.list.trimEnd(MOST_LINES, MOST_WEIGHT)) this.#cutOff();
        this.older.value = logs.length < NEXT_PAGE ? "none" : "more";
        this.version.value += 1;
      } else this.older.value = "more";
    } catch (error) {
      if (!isAbort(error)) this.older.value = { error };
    }
  }

  #begin(): void {
    this.state.value = "loading";
    this.error.value = undefined;
    this.following.value = true;
    this.waiting.value = { count: 0, more: false };
    this.#waiting = [];
    this.#arrived = [];
    this.#heard = 0;
    this.#loaded = 0;
    this.#slept = false;
    if (this.filter.until && Date.parse(this.filter.until) <= Date.now()) {
      this.live.value = "off";
      void this.#loadNewest();
    } else this.#listen();
  }

  #listen(after = 0): void {
    // The newest are asked for once the stream has begun: what comes in between comes with it.
    let loaded = after > 0;
    this.live.value = "connecting";
    this.#stream = openStream(
      api.logStreamUrl(this.id),
      {
        open: () => {
          this.live.value = "open";
          if (this.#slept && this.following.peek()) this.reload();
          else if (!loaded) void this.#loadNewest();
          loaded = true;
          this.#slept = false;
        },
        lost: () => {
          this.live.value = "lost";
          // What comes after this and is older is of a log that was begun anew.
          this.#heard = Math.max(this.#heard, this.#loaded);
          if (!loaded && this.state.peek() === "loading") void this.#loadNewest();
        },
        asleep: () => {
          this.#slept = true;
        },
        refused: (problem) => {
          this.live.value = "off";
          if (this.state.peek() === "loading") this.#fail(problem);
        },
        messages: (messages) => this.#take(messages),
      },
      after ? String(after) : "",
    );
  }

  async #loadNewest(): Promise<void> {
    const asking = this.#ask();
    try {
      const query = { ...queryOf(this.filter), page_size: FIRST_PAGE };
      const { logs, total } = await api.logs(this.id, query, asking.signal);
      const last = logs[0]?.id ?? 0;
      this.#loaded = last;
      const { list } = this;
      list.clear();
      list.append(logs.reverse().map(makeLine));
      this.#arrived = this.#arrived.filter((record) => record.id > last);
      this.#waiting = this.#waiting.filter((record) => record.id > last);
      this.#countWaiting();
      this.older.value = logs.length < FIRST_PAGE ? "none" : "more";
      this.total.value = total;
      this.error.value = undefined;
      this.state.value = "ready";
      this.#flush();
      if (!this.#stream && this.live.peek() === "open" && !this.waiting.peek().more)
        this.#listen(this.#heard);
      this.version.value += 1;
    } catch (error) {
      if (!isAbort(error)) this.#fail(error);
    }
  }

  #take(messages: readonly StreamMessage[]): void {
    for (const { data } of messages) {
      const record = JSON.parse(data) as LogRecord;
      // The log was begun anew: what is here is of another one.
      if (record.id <= this.#heard) {
        this.reload();
        return;
      }
      this.#heard = record.id;
      // The stream may tell of it after it came with the newest.
      if (record.id <= this.#loaded || !this.#matches(record)) continue;
      if (this.following.peek()) this.#arrived.push(record);
      else this.#waiting.push(record);
    }
    if (this.#waiting.length) this.#countWaiting();
    if (this.#waiting.length >= MOST_WAITING) this.#hold();
    if (this.#arrived.length < MOST_WAITING) this.#flushing ??= setTimeout(() => this.#flush(), FLUSH_AFTER);
    else if (this.state.peek() === "ready") this.#flush();
    else this.#letGo();
  }

  #flush(): void {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    if (this.state.peek() !== "ready" || !this.#arrived.length) return;
    this.#add(this.#arrived);
    this.#arrived = [];
  }

  #takeWaiting(): void {
    const waiting = this.#waiting;
    const { more } = this.waiting.peek();
    this.#waiting = [];
    this.waiting.value = { count: 0, more: false };
    if (waiting.length) this.#add(waiting);
    if (more) this.#listen(this.#heard);
  }

  #add(records: readonly LogRecord[]): void {
    this.list.append(records.map(makeLine));
    const trimmed = this.list.trimStart(MOST_LINES, MOST_WEIGHT);
    if (trimmed && this.older.peek() === "none") this.older.value = "more";
    // The core lets old lines go as new ones come, and does not say how many.
    this.total.value = null;
    this.version.value += 1;
  }

  #countWaiting(): void {
    const { count, more } = this.waiting.peek();
    if (count !== this.#waiting.length) this.waiting.value = { count: this.#waiting.length, more };
  }

  /** Take no more from the core until somebody wants to see what is here. */
  #hold(): void {
    this.#letGo();
    this.waiting.value = { count: this.#waiting.length, more: true };
  }

  /** The newest lines were let go: those that follow on the last one are to come again. */
  #cutOff(): void {
    this.#heard = this.list.last?.record.id ?? 0;
    this.#waiting = [];
    this.#hold();
  }

  #letGo(): void {
    this.#stream?.close();
    this.#stream = null;
  }

  #ask(): AbortController {
    this.#asking?.abort();
    this.#asking = new AbortController();
    return this.#asking;
  }

  #fail(error: unknown): void {
    this.error.value = error;
    this.state.value = "failed";
  }
}
