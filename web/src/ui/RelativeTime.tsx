/** How long ago something was; it keeps itself right, and the exact time is its hint. */
import { signal, useComputed } from "@preact/signals";
import { dateTime } from "../format";
import { relativeTime } from "../relative";

let timer = 0;
/** Ticks once a second, as long as somebody looks. */
export const now = signal(Date.now(), {
  watched() {
    this.value = Date.now();
    timer = window.setInterval(() => {
      if (!document.hidden) this.value = Date.now();
    }, 1000);
  },
  unwatched: () => window.clearInterval(timer),
});

/** `time`: RFC 3339. */
export function RelativeTime({ time }: { time: string }) {
  const text = useComputed(() => relativeTime(Date.parse(time), now.value));
  return (
    <time dateTime={time} title={dateTime(time)}>
      {text}
    </time>
  );
}
