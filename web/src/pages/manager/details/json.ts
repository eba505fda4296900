/** Values that are JSON: pure. */

/** Written for people; null where it is no JSON, or a mere number or word, which needs no formatting. */
export function prettyJson(text: string): string | null {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    const value: unknown = JSON.parse(text);
    // Numbers that do not survive would be stored as others.
    return isFaithful(text, value) ? JSON.stringify(value, null, 2) : null;
  } catch {
    return null;
  }
}

/** Why it is no JSON; empty where it is. */
export function jsonError(text: string): string {
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Whether nothing but white space would change: keys that come twice and long numbers do not survive. */
function isFaithful(text: string, value: unknown): boolean {
  const bare = (json: string) =>
    json.replace(/"(?:[^"\\]|\\.)*"|\s+/g, (part) => (part[0] === '"' ? '""' : ""));
  return bare(JSON.stringify(value)) === bare(text);
}
