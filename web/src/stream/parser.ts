// The text/event-stream format of the HTML standard, section 9.2.6, fed with chunks that may end
// anywhere, in the middle of a line or of a CRLF.

export interface StreamEvent {
  type: string;
  data: string;
  id: string;
}

export interface ParserEvents {
  onEvent(event: StreamEvent): void;
  /** The server's wish for the reconnection delay. */
  onRetry?(millis: number): void;
}

export class StreamParser {
  #events: ParserEvents;
  #rest = "";
  #afterCarriageReturn = false;
  #type = "";
  #data: string[] = [];
  #lastId = "";
  #started = false;

  constructor(events: ParserEvents) {
    this.#events = events;
  }

  feed(chunk: string): void {
    if (!this.#started && chunk !== "") {
      this.#started = true;
      if (chunk.startsWith("\uFEFF")) chunk = chunk.slice(1);
    }
    if (this.#afterCarriageReturn && chunk.startsWith("\n")) chunk = chunk.slice(1);
    if (chunk !== "") this.#afterCarriageReturn = chunk.endsWith("\r");
    const lines = (this.#rest + chunk).split(/\r\n|\r|\n/);
    this.#rest = lines.pop()!;
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment: the heartbeat
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
    else if (field === "id" && !value.includes("\0")) this.#lastId = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.#events.onRetry?.(Number(value));
  }

  #dispatch(): void {
    if (this.#data.length > 0) {
      this.#events.onEvent({ type: this.#type || "message", data: this.#data.join("\n"), id: this.#lastId });
    }
    this.#type = "";
    this.#data = [];
  }
}
