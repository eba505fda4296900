/** What names are sorted by: pure. */

/**
 * Capitals are as small letters, accents come after their letter, and 10 after 9. An `Intl.Collator` knows more
 * languages, but to make the first one takes as long as to draw all plugins.
 */
export function nameKey(name: string): string {
  return name
    .normalize("NFD")
    .toLowerCase()
    .replace(/\d+/g, (digits) => digits.padStart(20, "0"));
}
