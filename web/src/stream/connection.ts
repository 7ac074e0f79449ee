// One subscription to GET /v1/stream. An EventSource cannot send the Authorization header and a key
// must never be in a URL, so the stream is read with fetch; reconnection is therefore ours.

import { StreamParser, type StreamEvent } from "./parser";

export type StreamPhase =
  | { name: "idle" }
  | { name: "connecting"; attempt: number }
  | { name: "live"; resumedAfter: string | undefined }
  | { name: "waiting"; attempt: number; retryAt: number; reason: string }
  | { name: "offline" }
  | { name: "refused"; status: number; reason: string };

export interface StreamOptions {
  headers(): Record<string, string>;
  onEvent(event: StreamEvent): void;
  onPhase(phase: StreamPhase): void;
  /** Nothing heard for this long, not even a heartbeat: the connection is dead. */
  silenceMs?: number;
  fetch?: typeof fetch;
  random?(): number;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 20_000;

/** The pause before attempt n (from 1): exponential, with jitter over its upper half. */
export function backoff(attempt: number, random: number, first = FIRST_DELAY_MS): number {
  const ceiling = Math.min(LONGEST_DELAY_MS, first * 2 ** Math.min(attempt - 1, 16));
  return ceiling * (0.5 + 0.5 * random);
}

export class StreamConnection {
  #options: StreamOptions;
  #url: string | undefined;
  #lastId = "";
  #attempt = 0;
  #firstDelay = FIRST_DELAY_MS;
  #abort: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  get lastId(): string {
    return this.#lastId;
  }

  /**
   * Subscribes to `url`. Another URL is another subscription: it starts from now, because resuming
   * it from the old one's position would replay what the page never asked for.
   */
  open(url: string): void {
    if (url === this.#url) return;
    this.close();
    this.#url = url;
    this.#attempt = 0;
    void this.#run(url);
  }

  close(): void {
    this.#stop();
    this.#url = undefined;
    this.#lastId = "";
    this.#options.onPhase({ name: "idle" });
  }

  /** The machine lost its network. */
  suspend(): void {
    if (!this.#url) return;
    this.#stop();
    this.#options.onPhase({ name: "offline" });
  }

  /** Nobody is looking: gives the connection back. The next `retry` starts from now. */
  rest(): void {
    this.#stop();
    this.#lastId = "";
    this.#options.onPhase({ name: "idle" });
  }

  /** Tries again now: the network is back, a key was given, or the reader asked. */
  retry(): void {
    if (!this.#url) return;
    this.#stop();
    this.#attempt = 0;
    void this.#run(this.#url);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = undefined;
  }

  async #run(url: string): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    this.#options.onPhase({ name: "connecting", attempt: this.#attempt });
    const silenceMs = this.#options.silenceMs ?? 40_000;
    const silence = () => abort.abort(new Error(`nothing heard for ${silenceMs / 1000} s`));
    let watchdog = setTimeout(silence, silenceMs);
    let reason = "the service closed the stream";
    let notBefore = 0;
    try {
      const resumedAfter = this.#lastId || undefined;
      const headers: Record<string, string> = { Accept: "text/event-stream", ...this.#options.headers() };
      if (resumedAfter) headers["Last-Event-ID"] = resumedAfter;
      const response = await (this.#options.fetch ?? fetch)(url, { headers, signal: abort.signal, cache: "no-store" });
      if (!response.ok || !response.body) {
        reason = `the service answered ${response.status}`;
        if (isFinal(response.status)) {
          this.#options.onPhase({ name: "refused", status: response.status, reason });
          return;
        }
        notBefore = Number(response.headers.get("retry-after") ?? 0) * 1000 || 0;
      } else {
        this.#options.onPhase({ name: "live", resumedAfter });
        const parser = new StreamParser({
          onEvent: (event) => {
            if (event.id) this.#lastId = event.id;
            this.#attempt = 0;
            this.#options.onEvent(event);
          },
          onRetry: (millis) => (this.#firstDelay = millis),
        });
        const decoder = new TextDecoder();
        const reader = response.body.getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done || abort.signal.aborted) break;
          clearTimeout(watchdog);
          watchdog = setTimeout(silence, silenceMs);
          parser.feed(decoder.decode(value, { stream: true }));
        }
      }
    } catch (error) {
      if (abort.signal.aborted) reason = String(abort.signal.reason?.message ?? "stopped");
      else if (error instanceof SyntaxError) reason = "a message of the stream could not be read";
      else reason = "the service cannot be reached";
    } finally {
      clearTimeout(watchdog);
    }
    if (this.#abort !== abort) return; // stopped on purpose; someone else decides what is next
    this.#attempt += 1;
    const random = this.#options.random ?? Math.random;
    const delay = Math.max(notBefore, backoff(this.#attempt, random(), this.#firstDelay));
    this.#options.onPhase({ name: "waiting", attempt: this.#attempt, retryAt: Date.now() + delay, reason });
    this.#timer = setTimeout(() => void this.#run(url), delay);
  }
}

/** Statuses that another try with the same request will not change. */
function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}
