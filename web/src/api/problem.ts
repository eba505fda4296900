/** What went wrong with a call, as something that can be shown to a person. */
import { apiTexts } from "../texts";

/** `status` is 0 and `code` is `unreachable` where the core did not answer at all. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly retryAfter: number | null = null,
  ) {
    super(detail);
  }

  get unreachable(): boolean {
    return this.status === 0;
  }
}

export function unreachable(): Problem {
  return new Problem(0, "unreachable", apiTexts.unreachableTitle, apiTexts.unreachable);
}

/** From an answer that is no success; a proxy in front may answer anything. */
export async function problemOf(response: Response): Promise<Problem> {
  const said: unknown = await response.json().catch(() => null);
  const field = (name: string): string => {
    const value = said !== null && typeof said === "object" ? (said as Record<string, unknown>)[name] : null;
    return typeof value === "string" ? value : "";
  };
  const seconds = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  return new Problem(
    response.status,
    field("code"),
    field("title") || apiTexts.failedTitle,
    field("detail") || apiTexts.failed(response.status),
    Number.isNaN(seconds) ? null : seconds,
  );
}

/** A sentence for whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error && error.message ? error.message : String(error);
}

/** Whether it was thrown because nobody waits for it any more. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
