// The reader's watchlist, kept in this browser. Symbols are no secret, unlike keys.

import { computed, signal } from "@preact/signals";
import { api, ask } from "../api/client";
import { parseWatchlist, printWatchlist, type WatchEntry } from "../lib/watchlist";

const PLACE = "tickerd.watchlist";

/** Null until a first visit has looked at what the service stores. */
export const watchlist = signal<WatchEntry[] | null>(stored());
export const watched = computed(() => new Set(watchlist.value?.map(({ symbol }) => symbol)));

function stored(): WatchEntry[] | null {
  const text = localStorage.getItem(PLACE);
  return text === null ? null : parseWatchlist(text).entries;
}

export function keepWatchlist(entries: WatchEntry[]): void {
  watchlist.value = entries;
  localStorage.setItem(PLACE, printWatchlist(entries));
}

export function watch(symbol: string): void {
  const entries = watchlist.value ?? [];
  if (!entries.some((entry) => entry.symbol === symbol)) keepWatchlist([...entries, { symbol, group: "" }]);
}

export function unwatch(symbol: string): void {
  keepWatchlist((watchlist.value ?? []).filter((entry) => entry.symbol !== symbol));
}

const FIRST_SIGHT = 300;

/** On a first visit: what the service already has. It is not kept until the reader changes it. */
export async function fillWatchlist(): Promise<void> {
  if (watchlist.value !== null) return;
  const { symbols } = await ask("list the stored symbols", api.GET("/prices/symbols"));
  watchlist.value ??= symbols.slice(0, FIRST_SIGHT).map((symbol) => ({ symbol, group: "" }));
}

// Another tab changed the list.
window.addEventListener("storage", (event) => {
  if (event.key === PLACE) watchlist.value = stored();
});
