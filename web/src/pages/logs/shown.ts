/** How much of a message stands in its line: pure. */
import { clean } from "./clean";

export interface Shown {
  text: string;
  /** Characters left out before and after. */
  before: number;
  after: number;
}

const MOST_FOLDED = 500;
const MOST_WRAPPED = 1000;

/** All of it where `whole`; else a beginning, or where the search first finds something. */
export function shownOf(message: string, search: string, wrap: boolean, whole: boolean): Shown {
  const most = wrap ? MOST_WRAPPED : MOST_FOLDED;
  if (whole) return { text: clean(message), before: 0, after: 0 };
  const found = search ? message.toLowerCase().indexOf(search.toLowerCase()) : -1;
  const start = found > (wrap ? most - search.length : 80) ? Math.max(0, found - 30) : 0;
  const end = Math.min(message.length, start + most);
  const text = clean(message.slice(betweenCharacters(message, start), betweenCharacters(message, end)));
  return {
    text: wrap ? text : text.replace(/\n/g, " ↵ "),
    before: start,
    after: message.length - end,
  };
}

/** Not within a character of two units. */
function betweenCharacters(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff ? at + 1 : at;
}
