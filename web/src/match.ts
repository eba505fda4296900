/** Which parts of a text a search matches: pure. */

/** From, and up to but not including, in the text. */
export type Range = readonly [start: number, end: number];

export interface FuzzyMatch {
  /** Higher is better; comparable between texts for one query. */
  score: number;
  ranges: Range[];
}

/** Every place of `query` in `text`, whatever the case. */
export function findAll(text: string, query: string): Range[] {
  const ranges: Range[] = [];
  if (!query) return ranges;
  const expression = new RegExp(query.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi");
  for (const match of text.matchAll(expression)) ranges.push([match.index, match.index + match[0].length]);
  return ranges;
}

const CONSECUTIVE = 6;
const WORD_START = 8;
const FIRST = 4;
const GAP = 0.4;

/** The letters of `query` in their order, with anything in between; null where they are not all there. */
export function fuzzyMatch(query: string, text: string): FuzzyMatch | null {
  const wanted = [...query.toLowerCase().replace(/\s+/g, "")];
  const letters = [...text].map((letter) => letter.toLowerCase());
  if (!wanted.length) return { score: 0, ranges: [] };
  if (wanted.length > letters.length) return null;

  // best[j]: the best way to match all letters so far with the last of them at j.
  let best: (Way | null)[] = letters.map((letter, at) =>
    letter === wanted[0] ? { score: place(letters, at) - at * GAP, at, before: null } : null,
  );
  for (const letter of wanted.slice(1)) best = nextLetter(letter, letters, best);
  const found = best.reduce((one, other) => (other && (!one || other.score > one.score) ? other : one), null);
  if (!found) return null;
  return { score: found.score - letters.length * 0.05, ranges: rangesOf(found, text) };
}

interface Way {
  score: number;
  at: number;
  before: Way | null;
}

function nextLetter(letter: string, letters: string[], best: (Way | null)[]): (Way | null)[] {
  let reach: Way | null = null;
  return letters.map((here, at) => {
    const previous = best[at - 1] ?? null;
    // The best that ends anywhere before, less what the gap up to here costs.
    if (previous && (!reach || previous.score >= reach.score - (at - 1 - reach.at) * GAP)) reach = previous;
    if (here !== letter || !reach) return null;
    const apart = { score: reach.score - (at - 1 - reach.at) * GAP + place(letters, at), at, before: reach };
    const together = previous && {
      score: previous.score + CONSECUTIVE + place(letters, at),
      at,
      before: previous,
    };
    return together && together.score >= apart.score ? together : apart;
  });
}

function place(letters: string[], at: number): number {
  if (at === 0) return WORD_START + FIRST;
  return /[\p{L}\p{N}]/u.test(letters[at - 1] ?? "") ? 1 : WORD_START;
}

function rangesOf(way: Way, text: string): Range[] {
  const points = [...text];
  const starts: number[] = [];
  let offset = 0;
  for (const point of points) {
    starts.push(offset);
    offset += point.length;
  }
  const ranges: [number, number][] = [];
  for (let step: Way | null = way; step; step = step.before) {
    const start = starts[step.at] ?? 0;
    const end = start + (points[step.at]?.length ?? 1);
    const first = ranges[0];
    if (first && first[0] === end) first[0] = start;
    else ranges.unshift([start, end]);
  }
  return ranges;
}
