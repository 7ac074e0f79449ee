// The page's one stream: messages wait for the next frame, and only the last price of a symbol in
// a frame is drawn. Listeners that need every message (charts) are called at once.

import { batch, effect, signal, untracked } from "@preact/signals";
import { parseExact } from "../api/exact";
import type { AverageMessage, PriceMessage } from "../api/types";
import { StreamConnection, type StreamPhase } from "../stream/connection";
import type { StreamEvent } from "../stream/parser";
import { applyPrice, loadQuotes } from "./quotes";
import { authorization, keyChanges, keyWanted } from "./session";

export interface Interest {
  symbols: readonly string[];
  averages: boolean;
}

export const phase = signal<StreamPhase>({ name: "idle" });
/** Messages drawn since the page was opened, and the last sequence number. */
export const received = signal(0);
export const lastSequence = signal("");
/** Counts subscriptions that started from now: whoever shows a snapshot must load it again. */
export const freshStarts = signal(0);

const priceListeners = new Set<(message: PriceMessage) => void>();
const averageListeners = new Set<(message: AverageMessage) => void>();

export function onPrice(listener: (message: PriceMessage) => void): () => void {
  priceListeners.add(listener);
  return () => priceListeners.delete(listener);
}

export function onAverage(listener: (message: AverageMessage) => void): () => void {
  averageListeners.add(listener);
  return () => averageListeners.delete(listener);
}

const connection = new StreamConnection({
  headers: authorization,
  onEvent: take,
  onPhase(next) {
    phase.value = next;
    if (next.name === "live" && next.resumedAfter === undefined) freshStarts.value += 1;
    if (next.name === "refused" && next.status === 401) keyWanted.value = true;
  },
});

const waiting = new Map<string, PriceMessage>();
const toReload = new Set<string>();
let nReceived = 0;
let frame = 0;

function take(event: StreamEvent): void {
  nReceived += 1;
  if (event.type === "price") {
    const message = parseExact<PriceMessage>(event.data);
    if (message.kind === "price.deleted") reloadSoon(message.symbol);
    else waiting.set(message.symbol, message);
    for (const listener of priceListeners) listener(message);
  } else if (event.type === "average") {
    const message = parseExact<AverageMessage>(event.data);
    for (const listener of averageListeners) listener(message);
  } else if (event.type === "reset") {
    // The service cannot resume where we stopped: everything shown must be read again.
    freshStarts.value += 1;
  }
  frame ||= requestAnimationFrame(draw);
}

function draw(): void {
  frame = 0;
  batch(() => {
    for (const message of waiting.values()) applyPrice(message);
    received.value = nReceived;
    lastSequence.value = connection.lastId;
  });
  waiting.clear();
}

/** What remains after a deletion only the service knows. */
function reloadSoon(symbol: string): void {
  if (toReload.size === 0) {
    setTimeout(() => {
      const symbols = [...toReload];
      toReload.clear();
      void loadQuotes(symbols).catch(() => undefined);
    }, 300);
  }
  toReload.add(symbol);
}

// Beyond this the filter would make an unreasonable URL; the page then takes all and picks.
const MOST_SYMBOLS_IN_URL = 150;

export function streamUrl({ symbols, averages }: Interest): string {
  const types = averages ? "price,average" : "price";
  const filter = symbols.length <= MOST_SYMBOLS_IN_URL ? `symbols=${symbols.map(encodeURIComponent).join(",")}&` : "";
  return `/v1/stream?${filter}types=${types}`;
}

export function follow(interest: Interest): void {
  if (interest.symbols.length === 0) connection.close();
  else connection.open(streamUrl(interest));
}

export const retryNow = () => connection.retry();

/** Resolves when the stream is open, or after `patienceMs`: a snapshot taken then has no gap to it. */
export function streamReady(patienceMs = 1500): Promise<void> {
  return new Promise((resolve) => {
    const done = () => (clearTimeout(timer), queueMicrotask(() => stop()), resolve());
    const timer = setTimeout(done, patienceMs);
    const stop = effect(() => {
      if (phase.value.name === "live") done();
    });
  });
}

/**
 * Runs `load` once the stream is open, and again whenever it starts afresh: what is read then joins
 * the stream without a gap. Returns how to stop.
 */
export function withSnapshots(load: () => unknown): () => void {
  let loadedAt: number | undefined;
  let ended = false;
  void streamReady().then(() => {
    if (ended) return;
    loadedAt = freshStarts.peek();
    load();
  });
  const stop = effect(() => {
    const starts = freshStarts.value;
    if (loadedAt === undefined || starts === loadedAt) return;
    loadedAt = starts;
    untracked(load);
  });
  return () => {
    ended = true;
    stop();
  };
}

window.addEventListener("offline", () => connection.suspend());
window.addEventListener("online", () => connection.retry());
effect(() => {
  if (keyChanges.value > 0) connection.retry();
});

// A browser opens six connections to a host, and each tab's stream takes one: a tab that nobody has
// looked at for a while gives its own back.
const REST_AFTER_MS = 60_000;
let resting: ReturnType<typeof setTimeout> | undefined;
document.addEventListener("visibilitychange", () => {
  clearTimeout(resting);
  if (document.hidden) resting = setTimeout(() => connection.rest(), REST_AFTER_MS);
  else if (phase.peek().name === "idle") connection.retry();
});
