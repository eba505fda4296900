/** Whose fault an error is that reached the window: pure. */

/** What an `error` or `unhandledrejection` event says; `file` where it was thrown, empty where that is not known. */
export interface Thrown {
  error: unknown;
  file: string;
}

/** `places`: the paths that the bundle's code comes from. */
export function isFrom(places: readonly string[], { error, file }: Thrown): boolean {
  const stack = stackOf(error);
  // Nothing of ours throws what has no stack.
  if (!file && !stack) return true;
  return places.some((place) => file.includes(place) || stack.includes(place));
}

/** Where it was thrown, as the browser tells; empty where it does not. */
export function stackOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("stack" in error)) return "";
  return typeof error.stack === "string" ? error.stack : "";
}
