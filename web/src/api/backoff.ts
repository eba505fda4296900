/** How long to wait before the next attempt: pure. */

const FIRST = 1000;
const LONGEST = 15_000;

/** Milliseconds after so many failures in a row (1 is the first); `random` from 0 to 1 spreads many browsers. */
export function reconnectDelay(failures: number, random: number): number {
  const longest = Math.min(FIRST * 2 ** Math.max(failures - 1, 0), LONGEST);
  return Math.round(longest * (0.5 + random / 2));
}
