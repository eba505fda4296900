/** What a plugin wrote, as text that is safe to look at: nothing in it is carried out, nothing in it hides. */

// Escape sequences of terminals: CSI (colours, cursor), OSC and other strings up to their end, and short ones.
const ESCAPES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)|\x1b[ -/]*[0-~]/g;

// All control characters but tab and line feed, and those that turn the order of the letters around.
const HIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]/g;

// Almost every line has none of them, and a look is cheaper than two replacements.
const NEEDED =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]/;

/** Without the colours and commands of terminals; other control characters as escapes that can be read. */
export function clean(text: string): string {
  if (!NEEDED.test(text)) return text;
  return text.replace(/\r\n/g, "\n").replace(ESCAPES, "").replace(HIDDEN, visible);
}

function visible(character: string): string {
  const code = character.charCodeAt(0).toString(16);
  return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code}`;
}
