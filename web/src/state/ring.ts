/** The latest numbers of a series, in a memory that does not grow. */
export class Ring {
  readonly #values: Float64Array;
  #next = 0;
  #length = 0;

  constructor(readonly capacity: number) {
    this.#values = new Float64Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.capacity;
    this.#length = Math.min(this.#length + 1, this.capacity);
  }

  /** The newest; NaN where there is none. */
  last(): number {
    return this.#length
      ? (this.#values[(this.#next + this.capacity - 1) % this.capacity] ?? Number.NaN)
      : Number.NaN;
  }

  /** Oldest first. */
  toArray(): number[] {
    const start = (this.#next + this.capacity - this.#length) % this.capacity;
    return Array.from(
      { length: this.#length },
      (_, index) => this.#values[(start + index) % this.capacity] ?? Number.NaN,
    );
  }

  clear(): void {
    this.#next = 0;
    this.#length = 0;
  }
}
