/** How long ago something was, in few words: pure. */
import { timeTexts } from "./texts";

const UNITS = [
  ["s", 1000, 60],
  ["min", 60_000, 60],
  ["h", 3_600_000, 24],
  ["d", 86_400_000, 30],
  ["mo", 2_592_000_000, 12],
  ["y", 31_536_000_000, Number.POSITIVE_INFINITY],
] as const;

/** Both in milliseconds since 1970. The last seconds, and what clocks that differ make of them, are "now". */
export function relativeTime(then: number, now: number): string {
  const distance = Math.abs(then - now);
  if (distance < 5000) return timeTexts.now;
  const [unit, length] = UNITS.find(([, size, most]) => distance < size * most) ?? UNITS[5];
  const span = `${Math.trunc(distance / length)} ${unit}`;
  return then < now ? timeTexts.ago(span) : timeTexts.ahead(span);
}
