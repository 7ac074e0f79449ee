// The watchlist.

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { Empty, ErrorNote, Loading } from "../components/basics";
import { Dialog } from "../components/dialog";
import { QuoteRow } from "../components/quote-row";
import { SymbolSearch } from "../components/symbol-search";
import { say } from "../components/toast";
import { matches, SORT_KEYS, sortQuotes, type Direction, type SortKey } from "../lib/sort";
import { classOf, parseWatchlist, printWatchlist, type WatchEntry } from "../lib/watchlist";
import { href, route, setQuery } from "../router";
import { follow, withSnapshots } from "../state/live";
import { cellOf, loadQuotes } from "../state/quotes";
import { fillWatchlist, keepWatchlist, unwatch, watch, watchlist } from "../state/watchlist";

const GROUPINGS = { none: "No groups", mine: "My groups", class: "By class", provider: "By provider" } as const;
type Grouping = keyof typeof GROUPINGS;

const COLUMNS: [SortKey, string][] = [
  ["symbol", "Symbol"], ["price", "Price"], ["change", "Change"], ["percent", "%"], ["age", "Age"], ["provider", "Provider"],
];

/** Rows sorted by what moves change places at most this often: a row must stay long enough to be clicked. */
const RESORT_MS = 2000;

export function Quotes() {
  const error = useSignal<unknown>(undefined);
  const [editing, setEditing] = useState(false);
  const symbols = (watchlist.value ?? []).map(({ symbol }) => symbol);
  const wanted = symbols.join(",");
  const view = viewOf(route.value.query, watchlist.value ?? []);

  async function load() {
    try {
      await fillWatchlist();
      await loadQuotes((watchlist.peek() ?? []).map(({ symbol }) => symbol));
      error.value = undefined;
    } catch (problem) {
      error.value = problem;
    }
  }
  useEffect(() => {
    // Filling the list runs this effect again.
    if (watchlist.peek() === null) return void fillWatchlist().catch((problem) => (error.value = problem));
    follow({ symbols, averages: false });
    return withSnapshots(load);
  }, [watchlist.value === null, wanted]);

  return (
    <>
      <div class="page-head">
        <h1>Quotes</h1>
        <span class="muted">{symbols.length > 0 && `${symbols.length} symbols`}</span>
        {symbols.length > 0 && <Filters view={view} />}
        <div class="page-tools">
          <SymbolSearch label="Add a symbol" placeholder="Add a symbol…" onPick={(symbol) => (watch(symbol), say(`${symbol} is on the watchlist.`))} />
          <button type="button" onClick={() => setEditing(true)}>Edit list</button>
        </div>
      </div>
      {error.value !== undefined && <ErrorNote error={error.value} onRetry={load} />}
      {watchlist.value === null ? (error.value === undefined && <Loading what="the watchlist" />)
        : symbols.length === 0 ? <NothingWatched />
        : <Board entries={watchlist.value} view={view} />}
      {editing && <EditList onClose={() => setEditing(false)} />}
    </>
  );
}

function NothingWatched() {
  return (
    <Empty title="Nothing to watch yet">
      <p>Add a symbol above: <code>AAPL</code>, <code>BTC-USD</code>, <code>EUR/USD</code>. Then <a href={href("jobs")}>create a job</a> so that its price keeps coming.</p>
    </Empty>
  );
}

type View = ReturnType<typeof viewOf>;

function viewOf(query: Record<string, string>, entries: readonly WatchEntry[]) {
  const sort = SORT_KEYS.includes(query.sort as SortKey) ? (query.sort as SortKey) : "list";
  const direction: Direction = query.dir === "desc" ? "desc" : "asc";
  const usual: Grouping = entries.some(({ group }) => group) ? "mine" : "none";
  const grouping: Grouping = query.group && query.group in GROUPINGS ? (query.group as Grouping) : usual;
  return { sort, direction, grouping, filter: query.filter ?? "" };
}

function Board({ entries, view: { sort, direction, grouping, filter } }: { entries: WatchEntry[]; view: View }) {
  const beat = useSignal(0);
  useEffect(() => {
    const timer = setInterval(() => (beat.value += 1), RESORT_MS);
    return () => clearInterval(timer);
  }, []);
  const moving = !["list", "symbol"].includes(sort) || grouping === "provider" || filter !== "";
  // Peeks on purpose: a tick must redraw its own row, not the order of all.
  void (moving && beat.value);
  const rows = entries.map(({ symbol, group }) => ({ group, ...cellOf(symbol).quote.peek(), symbol }));
  const kept = rows.filter((row) => filter === "" || matches(filter, row.symbol, row.provider, row.group));
  const sorted = sortQuotes(kept, sort, direction);
  const groupOf = (row: (typeof rows)[number]) =>
    grouping === "mine" ? row.group || "Ungrouped" : grouping === "class" ? classOf(row.symbol) : grouping === "provider" ? (row.provider ?? "No price yet") : "";
  const groups = grouped(sorted, groupOf);

  return (
    <>
      {kept.length === 0 && <Empty title="No row matches"><p>Nothing on the watchlist matches “{filter}”. <button type="button" class="link" onClick={() => setQuery({ filter: undefined })}>Clear the filter</button>.</p></Empty>}
      {kept.length > 0 && (
        <div role="table" aria-label="Watchlist" aria-rowcount={kept.length + 1} class="board">
          <div role="row" class="quote-row board-head">
            {COLUMNS.map(([key, label]) => <ColumnHead key={key} of={key} label={label} sort={sort} direction={direction} />)}
            <span role="columnheader" class="cell-spark">24 hours</span>
            <span role="columnheader" class="cell-remove"><span class="unseen">Remove</span></span>
          </div>
          {[...groups].map(([name, some]) => (
            <div role="rowgroup" key={name}>
              {name && <div role="row" class="group-head"><span role="cell">{name} <span class="muted">{some.length}</span></span></div>}
              {some.map(({ symbol }) => <QuoteRow key={symbol} cell={cellOf(symbol)} onRemove={unwatch} />)}
            </div>
          ))}
        </div>
      )}
    </>
  );
}

function Filters({ view: { sort, direction, grouping, filter } }: { view: View }) {
  return (
    <div class="filters">
      <input type="search" aria-label="Filter the rows" placeholder="Filter rows" value={filter} onInput={(event) => setQuery({ filter: event.currentTarget.value })} />
      <select aria-label="Group the rows" value={grouping} onChange={(event) => setQuery({ group: event.currentTarget.value })}>
        {Object.entries(GROUPINGS).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
      </select>
      <select class="sort-select" aria-label="Sort the rows" value={sort} onChange={(event) => setQuery({ sort: event.currentTarget.value })}>
        <option value="list">My order</option>
        {COLUMNS.map(([key, label]) => <option key={key} value={key}>{label === "%" ? "Percent" : label}</option>)}
      </select>
      <button type="button" class="sort-select" aria-label={direction === "asc" ? "Ascending; switch to descending" : "Descending; switch to ascending"} onClick={() => setQuery({ dir: direction === "asc" ? "desc" : undefined })}>
        {direction === "asc" ? "↑" : "↓"}
      </button>
    </div>
  );
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

function ColumnHead({ of, label, sort, direction }: { of: SortKey; label: string; sort: SortKey; direction: Direction }) {
  const sorted = sort === of;
  // Ascending, descending, and back to the reader's own order.
  const next = !sorted ? { sort: of, dir: undefined } : direction === "asc" ? { sort: of, dir: "desc" } : { sort: undefined, dir: undefined };
  return (
    <span role="columnheader" class={`cell-${of}`} aria-sort={sorted ? (direction === "asc" ? "ascending" : "descending") : "none"}>
      <button type="button" class="quiet" onClick={() => setQuery(next)}>{label}<span aria-hidden="true">{sorted ? (direction === "asc" ? " ↑" : " ↓") : ""}</span></button>
    </span>
  );
}

function EditList({ onClose }: { onClose(): void }) {
  const text = useSignal(printWatchlist(watchlist.peek() ?? []));
  const parsed = useComputed(() => parseWatchlist(text.value));
  const { entries, rejected } = parsed.value;
  return (
    <Dialog title="Edit the watchlist" onClose={onClose}>
      <p class="muted">One symbol a line. A line that begins with # names the group of those below it.</p>
      <textarea autofocus aria-label="Symbols and groups" rows={14} spellcheck={false} value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
      {rejected.length > 0 && <p class="note note-bad" role="alert">■ Not a symbol: {rejected.slice(0, 5).join(", ")}. Symbols have 1 to 32 of A-Z 0-9 . - / ^ =</p>}
      <div class="actions">
        <span class="muted">{entries.length} symbols</span>
        <button type="button" onClick={onClose}>Cancel</button>
        <button type="button" class="primary" disabled={rejected.length > 0} onClick={() => (keepWatchlist(entries), onClose())}>Save</button>
      </div>
    </Dialog>
  );
}
