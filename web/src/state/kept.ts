/** A signal whose value this browser keeps, where it lets us. */
import { type Signal, signal } from "@preact/signals";

export function keptSignal<T extends string>(name: string, allowed: readonly T[], first: T): Signal<T> {
  const key = `toru.${name}`;
  const kept = read(key);
  const value = signal<T>(allowed.find((one) => one === kept) ?? first);
  value.subscribe((now) => {
    if (now !== (read(key) ?? first)) write(key, now);
  });
  return value;
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}
