/** What time it is at the core, whose clock may be another than this machine's. */

let ahead = 0;

/** The core just said what time it has (RFC 3339). What the way here takes does not count. */
export function tellCoreTime(timestamp: string): void {
  const difference = Date.now() - Date.parse(timestamp);
  if (Math.abs(difference - ahead) > 2000) ahead = Math.abs(difference) > 2000 ? difference : 0;
}

/** How many seconds ago something was at the core, at `now` on this machine's clock; below 0 where it is to come. */
export function secondsSince(time: string, now: number): number {
  return (now - ahead - Date.parse(time)) / 1000;
}
