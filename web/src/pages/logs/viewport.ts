/** Which part of the lines is seen, and how it stays where it is while lines come and go: pure. */
import type { Line } from "./line";
import type { LineList } from "./lineList";

/** Pixels above the first line, where it says whether there are older ones. */
export const HEAD = 40;
// Drawn beyond what is seen, so that quick scrolling finds something there.
const BEYOND = 240;

export class Viewport {
  height = 600;
  /** Pixels below the last line. */
  foot = 8;
  #anchor: { line: Line; delta: number } | null = null;

  constructor(readonly list: LineList) {}

  /** It was scrolled there; this line is to stay at this place. */
  scrolled(top: number): void {
    const line = this.list.lineAt(top - HEAD);
    this.#anchor = line ? { line, delta: top - HEAD - this.list.offsetOf(line.seq) } : null;
  }

  /** Where it is to be scrolled to. */
  aim(toEnd: boolean): number {
    const { list } = this;
    const most = Math.max(0, this.total - this.height);
    if (toEnd || !this.#anchor) return most;
    const { line, delta } = this.#anchor;
    const here = list.at(line.seq) === line;
    return Math.min(most, Math.max(0, here ? HEAD + list.offsetOf(line.seq) + delta : HEAD));
  }

  get total(): number {
    return HEAD + this.list.height + this.foot;
  }

  /** What is to be drawn there, by places; null where there is nothing. */
  range(top: number, beyond = BEYOND): { from: number; to: number } | null {
    const first = this.list.lineAt(top - HEAD - beyond);
    const last = this.list.lineAt(top + this.height - HEAD + beyond);
    return first && last ? { from: first.seq, to: last.seq } : null;
  }

  /** Where to scroll so that a line is wholly seen; null where it is. */
  reveal(seq: number, top: number): number | null {
    const start = HEAD + this.list.offsetOf(seq);
    const end = HEAD + this.list.offsetOf(seq + 1);
    if (start < top) return start;
    if (end > top + this.height) return Math.min(start, end - this.height);
    return null;
  }
}
