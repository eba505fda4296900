/** Server-Sent Events out of text as it arrives: pure. */

export interface StreamMessage {
  event: string;
  data: string;
  /** Of this message, or of the last one that had any; empty before. */
  id: string;
}

/** Give it pieces of text; it gives the messages that are whole. */
export class EventParser {
  lastId = "";
  #rest = "";
  #event = "";
  #data: string[] = [];

  feed(text: string): StreamMessage[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    const messages: StreamMessage[] = [];
    for (const line of lines) {
      const message = this.#line(line.endsWith("\r") ? line.slice(0, -1) : line);
      if (message) messages.push(message);
    }
    return messages;
  }

  #line(line: string): StreamMessage | null {
    if (line === "") return this.#dispatch();
    const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id") this.lastId = value;
    return null;
  }

  #dispatch(): StreamMessage | null {
    const message = { event: this.#event || "message", data: this.#data.join("\n"), id: this.lastId };
    const whole = this.#data.length > 0;
    this.#event = "";
    this.#data = [];
    return whole ? message : null;
  }
}
