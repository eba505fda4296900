/** Waiting, but not for ever. */

/** Settles as `promise` does; rejects with `late()` where that has not settled in so many milliseconds. */
export function within<T>(milliseconds: number, promise: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), milliseconds);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Resolves when `promise` has settled, however it did, or after so many milliseconds. */
export function settled(milliseconds: number, promise: Promise<unknown>): Promise<unknown> {
  return within(milliseconds, promise, () => new Error()).catch(() => undefined);
}
