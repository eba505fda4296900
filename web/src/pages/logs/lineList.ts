/** The lines that are loaded, oldest first, with the height of each: pure. Cheap at both ends, however long. */
import { follow, type Line } from "./line";

const CHUNK = 500;

interface Chunk {
  lines: Line[];
  heights: number[];
  height: number;
  weight: number;
}

export class LineList {
  #chunks: Chunk[] = [];
  #length = 0;
  #height = 0;
  #weight = 0;

  /** `estimate`: pixels of a line that nobody measured yet. */
  constructor(public estimate: (line: Line) => number) {}

  get length(): number {
    return this.#length;
  }

  /** Of all, in pixels. */
  get height(): number {
    return this.#height;
  }

  get weight(): number {
    return this.#weight;
  }

  get first(): Line | undefined {
    return this.#chunks[0]?.lines[0];
  }

  get last(): Line | undefined {
    return this.#chunks.at(-1)?.lines.at(-1);
  }

  clear(): void {
    this.#chunks = [];
    this.#length = 0;
    this.#height = 0;
    this.#weight = 0;
  }

  append(lines: readonly Line[]): void {
    let before = this.last;
    for (const line of lines) {
      line.seq = before ? before.seq + 1 : 0;
      follow(before, line);
      let chunk = this.#chunks.at(-1);
      if (!chunk || chunk.lines.length >= CHUNK) {
        chunk = { lines: [], heights: [], height: 0, weight: 0 };
        this.#chunks.push(chunk);
      }
      this.#put(chunk, line);
      before = line;
    }
  }

  /** Older ones, oldest first. */
  prepend(lines: readonly Line[]): void {
    const after = this.first;
    let seq = (after?.seq ?? lines.length) - lines.length;
    let before: Line | undefined;
    const chunks: Chunk[] = [];
    for (const [at, line] of lines.entries()) {
      line.seq = seq++;
      follow(before, line);
      if (at % CHUNK === 0) chunks.push({ lines: [], heights: [], height: 0, weight: 0 });
      const chunk = chunks.at(-1);
      if (chunk) this.#put(chunk, line);
      before = line;
    }
    this.#chunks.unshift(...chunks);
    if (!after || !before) return;
    // What was the first line had nothing before it.
    for (let line: Line | undefined = after; line && before; line = this.at(line.seq + 1)) {
      const done = follow(before, line);
      this.setHeight(line.seq, this.estimate(line));
      if (done) break;
      before = line;
    }
  }

  /** Let the oldest go until what is left is within both. Gives whether any went. */
  trimStart(mostLines: number, mostWeight: number): boolean {
    return this.#trim(mostLines, mostWeight, () => this.#chunks.shift());
  }

  /** The same with the newest. */
  trimEnd(mostLines: number, mostWeight: number): boolean {
    return this.#trim(mostLines, mostWeight, () => this.#chunks.pop());
  }

  at(seq: number): Line | undefined {
    const [chunk, index] = this.#find(seq) ?? [];
    return index === undefined ? undefined : chunk?.lines[index];
  }

  setHeight(seq: number, height: number): void {
    const [chunk, index] = this.#find(seq) ?? [];
    if (!chunk || index === undefined) return;
    const change = height - (chunk.heights[index] ?? 0);
    chunk.heights[index] = height;
    chunk.height += change;
    this.#height += change;
  }

  /** Estimate all anew, as after a change of width. */
  estimateAll(): void {
    this.#height = 0;
    for (const chunk of this.#chunks) {
      chunk.heights = chunk.lines.map(this.estimate);
      chunk.height = chunk.heights.reduce((sum, height) => sum + height, 0);
      this.#height += chunk.height;
    }
  }

  /** Pixels above a line; above the nearest where that one is gone. */
  offsetOf(seq: number): number {
    let offset = 0;
    for (const chunk of this.#chunks) {
      const index = seq - (chunk.lines[0]?.seq ?? 0);
      if (index < chunk.lines.length) {
        for (let at = 0; at < index; at += 1) offset += chunk.heights[at] ?? 0;
        return offset;
      }
      offset += chunk.height;
    }
    return offset;
  }

  /** The line at so many pixels; the first or the last where that is beyond. */
  lineAt(offset: number): Line | undefined {
    let top = 0;
    for (const chunk of this.#chunks) {
      if (offset < top + chunk.height) {
        for (const [at, height] of chunk.heights.entries()) {
          top += height;
          if (offset < top) return chunk.lines[at];
        }
        return chunk.lines.at(-1);
      }
      top += chunk.height;
    }
    return this.last;
  }

  /** From one place up to and with another. */
  slice(from: number, to: number): Line[] {
    const lines: Line[] = [];
    for (let seq = from; seq <= to; seq += 1) {
      const line = this.at(seq);
      if (line) lines.push(line);
    }
    return lines;
  }

  *[Symbol.iterator](): Generator<Line> {
    for (const chunk of this.#chunks) yield* chunk.lines;
  }

  #put(chunk: Chunk, line: Line): void {
    const height = this.estimate(line);
    chunk.lines.push(line);
    chunk.heights.push(height);
    chunk.height += height;
    chunk.weight += line.weight;
    this.#length += 1;
    this.#height += height;
    this.#weight += line.weight;
  }

  #trim(mostLines: number, mostWeight: number, take: () => Chunk | undefined): boolean {
    let any = false;
    while (this.#chunks.length > 1 && (this.#length > mostLines || this.#weight > mostWeight)) {
      const gone = take();
      if (!gone) break;
      any = true;
      this.#length -= gone.lines.length;
      this.#height -= gone.height;
      this.#weight -= gone.weight;
    }
    return any;
  }

  #find(seq: number): [chunk: Chunk, index: number] | null {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const chunk = this.#chunks[middle];
      if (!chunk) return null;
      const index = seq - (chunk.lines[0]?.seq ?? 0);
      if (index < 0) high = middle - 1;
      else if (index >= chunk.lines.length) low = middle + 1;
      else return [chunk, index];
    }
    return null;
  }
}
