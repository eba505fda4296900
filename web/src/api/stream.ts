/**
 * A stream of Server-Sent Events that is kept open. It is read with `fetch` and not with `EventSource`, which
 * tells no status, shows no heartbeat, and forgets where it was when it is made anew.
 */
import { reconnectDelay } from "./backoff";
import { send } from "./call";
import { Problem } from "./problem";
import { EventParser, type StreamMessage } from "./sse";

// The core says something at least every 15 s.
const SILENCE = 40_000;
const HIDDEN_FOR = 30_000;
// A stream that held that long was a good one.
const STABLE = 5_000;

export interface StreamHandlers {
  /** All messages that arrived at once. After a gap they begin where the last ones ended. */
  messages: (messages: StreamMessage[]) => void;
  connecting?: () => void;
  open?: () => void;
  /** It comes back by itself at `retryAt` (milliseconds since 1970). */
  lost?: (retryAt: number) => void;
  /** Closed because the tab was hidden for long; it opens when somebody looks again. */
  asleep?: () => void;
  /** The core refused for good; it does not come back. */
  refused?: (problem: Problem) => void;
}

export interface LiveStream {
  close: () => void;
  /** Try again now. */
  retry: () => void;
}

/** `after`: the id of a message behind which it is to begin; else it begins now. */
export function openStream(url: string, on: StreamHandlers, after = ""): LiveStream {
  let parser = new EventParser();
  parser.lastId = after;
  let current: AbortController | null = null;
  let timer = 0;
  let failures = 0;
  let closed = false;

  function connect(): void {
    window.clearTimeout(timer);
    current?.abort();
    const mine = new AbortController();
    current = mine;
    on.connecting?.();
    run(mine.signal).catch((error: unknown) => {
      if (mine.signal.aborted && mine.signal.reason !== silence) return;
      current = null;
      if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) {
        stop();
        on.refused?.(error);
      } else {
        failures += 1;
        const delay = reconnectDelay(failures, Math.random());
        timer = window.setTimeout(connect, delay);
        on.lost?.(Date.now() + delay);
      }
    });
  }

  /** Rejects when the stream is over, however it ended. */
  async function run(signal: AbortSignal): Promise<never> {
    const lastId = parser.lastId;
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (lastId) headers["last-event-id"] = lastId;
    parser = new EventParser();
    parser.lastId = lastId;
    const response = await send("GET", url, { headers, signal });
    const openedAt = Date.now();
    on.open?.();
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const watchdog = window.setTimeout(() => current?.abort(silence), SILENCE);
      const piece = await reader?.read().finally(() => window.clearTimeout(watchdog));
      if (Date.now() - openedAt > STABLE) failures = 0;
      if (!piece || piece.done) throw over;
      const messages = parser.feed(piece.value);
      if (messages.length) on.messages(messages);
    }
  }

  function visibility(): void {
    window.clearTimeout(hiding);
    if (document.hidden) hiding = window.setTimeout(sleep, HIDDEN_FOR);
    else if (sleeping) {
      sleeping = false;
      connect();
    }
  }

  function sleep(): void {
    sleeping = true;
    halt();
    on.asleep?.();
  }

  function halt(): void {
    window.clearTimeout(timer);
    current?.abort();
    current = null;
  }

  function stop(): void {
    closed = true;
    window.clearTimeout(hiding);
    document.removeEventListener("visibilitychange", visibility);
    halt();
  }

  let hiding = 0;
  let sleeping = false;
  document.addEventListener("visibilitychange", visibility);
  visibility();
  connect();
  return {
    close: stop,
    retry: () => {
      if (!closed && !sleeping) connect();
    },
  };
}

const over = new Error("The stream ended.");
const silence = new Error("The stream fell silent.");
