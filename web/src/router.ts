// Routes live in the fragment (`/#/symbol/EUR%2FUSD?interval=5m`): page paths can then never clash
// with API paths, and a deep link works whatever the server or a proxy does with unknown paths.

import { computed, signal } from "@preact/signals";

export interface Route {
  page: string;
  param: string | undefined;
  query: Record<string, string>;
}

export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [page, param] = path.split("/", 2);
  return {
    page: page || "quotes",
    param: param ? safeDecode(param) : undefined,
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

export function href(page: string, param?: string, query: Record<string, string | undefined> = {}): string {
  const set = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== "");
  const search = new URLSearchParams(set).toString();
  return `#/${page}${param ? `/${encodeURIComponent(param)}` : ""}${search ? `?${search}` : ""}`;
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const route = signal<Route>(parseRoute(location.hash));
export const page = computed(() => route.value.page);

window.addEventListener("hashchange", () => (route.value = parseRoute(location.hash)));

export function navigate(to: string): void {
  location.hash = to;
}

/** Writes view state into the URL without a new history entry; undefined removes a key. */
export function setQuery(change: Record<string, string | undefined>): void {
  const { page, param, query } = route.peek();
  const next = href(page, param, { ...query, ...change });
  history.replaceState(null, "", next);
  route.value = parseRoute(next);
}
