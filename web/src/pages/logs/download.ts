/** All lines that match, into a file, oldest first. They come newest first, and need not fit into memory as text. */
import { api } from "../../api/client";
import type { LogRecord } from "../../api/types";
import { logsTexts } from "../../texts";
import { type LogFilter, queryOf } from "./filter";
import { asText } from "./line";

export type Format = "ndjson" | "txt";

const TYPES: Record<Format, string> = { ndjson: "application/x-ndjson", txt: "text/plain;charset=utf-8" };

export interface Download {
  id: string;
  filter: LogFilter;
  format: Format;
  signal: AbortSignal;
  /** How many lines came so far. */
  onProgress: (count: number) => void;
}

/** Resolves to the number of lines. Rejects with a `Problem`, an abort, or where it breaks off. */
export async function downloadLines({ id, filter, format, signal, onProgress }: Download): Promise<number> {
  const response = await api.downloadLogs(id, queryOf(filter), signal);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const pieces: Blob[] = [];
  let rest = "";
  let count = 0;
  try {
    for (;;) {
      const piece = await reader?.read();
      if (!piece || piece.done) break;
      const lines = (rest + piece.value).split("\n");
      rest = lines.pop() ?? "";
      if (!lines.length) continue;
      const texts = format === "txt" ? lines.map((line) => asText(JSON.parse(line) as LogRecord)) : lines;
      pieces.push(new Blob([texts.reverse().join("\n"), "\n"]));
      count += lines.length;
      onProgress(count);
    }
  } catch (error) {
    if (error instanceof TypeError) throw new Error(logsTexts.brokenOff);
    throw error;
  }
  save(new Blob(pieces.reverse(), { type: TYPES[format] }), `${id}-${fileTime()}.${format}`);
  return count;
}

function fileTime(): string {
  return new Date().toISOString().slice(0, 19).replaceAll(":", "-");
}

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser begins to read it a moment later.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
