/** Figures and times as people read them: pure. NaN and null are a dash. */

const DASH = "–";
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

function known(value: number | null | undefined): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** Three digits at most, and no more than they are worth. */
function short(value: number): string {
  return value.toFixed(value === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2).replace(/\.0+$/, "");
}

/** `17.5 MiB` */
export function bytes(value: number | null | undefined): string {
  if (!known(value)) return DASH;
  const step = Math.min(value < 1 ? 0 : Math.floor(Math.log2(value) / 10), BYTES.length - 1);
  return `${short(value / 1024 ** step)} ${BYTES[step]}`;
}

/** `0.4 %` */
export function percent(value: number | null | undefined): string {
  return known(value) ? `${value.toFixed(value >= 9.95 || value === 0 ? 0 : 1)} %` : DASH;
}

/** `0.42 ms`, `1.2 s` */
export function milliseconds(value: number | null | undefined): string {
  if (!known(value)) return DASH;
  return value < 1000 ? `${short(value)} ms` : `${short(value / 1000)} s`;
}

/** `12.5/s` */
export function perSecond(value: number | null | undefined): string {
  return known(value) ? `${value >= 10_000 ? count(Math.round(value)) : short(value)}/s` : DASH;
}

/** `12,345`; whole numbers. Like this it takes a thousandth of what `toLocaleString` does. */
export function count(value: number | null | undefined): string {
  return known(value) ? String(value).replace(/\B(?=(\d{3})+$)/g, ",") : DASH;
}

/** `45 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`; seconds. */
export function duration(seconds: number | null | undefined): string {
  if (!known(seconds)) return DASH;
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return parts(whole, 60, "min", 1, "s");
  if (whole < 86_400) return parts(whole, 3600, "h", 60, "min");
  return parts(whole, 86_400, "d", 3600, "h");
}

function parts(seconds: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeUnit}${rest ? ` ${rest} ${smallUnit}` : ""}`;
}

/** `1:05`, `12:00`; for what counts down. */
export function clock(seconds: number): string {
  const whole = Math.max(Math.ceil(seconds), 0);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// Made when somebody wants it: the first one takes longer than all else that happens before a page is shown.
let dateTimeFormat: Intl.DateTimeFormat | undefined;

/** `22 Nov 2025, 16:09:12`, in the zone of the reader. */
export function dateTime(time: string | number | Date): string {
  dateTimeFormat ??= new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
  return dateTimeFormat.format(new Date(time));
}

let dateFormat: Intl.DateTimeFormat | undefined;

/** `Saturday 22 November 2025`, in the zone of the reader. */
export function date(time: string | number | Date): string {
  dateFormat ??= new Intl.DateTimeFormat("en-GB", { dateStyle: "full" });
  return dateFormat.format(new Date(time));
}

/** `16:09:12.345` */
export function timeOfDay(time: string | number | Date): string {
  const date = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  const fraction = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${fraction}`;
}
