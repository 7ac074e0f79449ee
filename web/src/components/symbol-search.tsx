// A combobox over the asset lists (WAI-ARIA 1.2 pattern): arrows move, Enter picks, Escape closes.
// What is typed may always be picked as it stands, because asset lists are daily and incomplete.

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { api } from "../api/client";
import type { Asset } from "../api/types";
import { normaliseSymbol } from "../lib/watchlist";
import { watched } from "../state/watchlist";

interface Props {
  label: string;
  placeholder: string;
  onPick(symbol: string): void;
  inputRef?: { current: HTMLInputElement | null };
}

interface Choice {
  symbol: string;
  name: string;
  note: string;
}

const CLASSES = ["stocks", "crypto", "forex"] as const;

export function SymbolSearch({ label, placeholder, onPick, inputRef }: Props) {
  const [text, setText] = useState("");
  const [found, setFound] = useState<Asset[]>([]);
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const id = useId();
  const turn = useRef(0);

  useEffect(() => {
    const mine = ++turn.current;
    if (!text.trim()) return setFound([]);
    const timer = setTimeout(async () => {
      const assets = await search(text.trim());
      if (mine === turn.current) setFound(assets);
    }, 150);
    return () => clearTimeout(timer);
  }, [text]);

  const choices = choicesFor(text, found);
  const shown = open && choices.length > 0;

  function pick(choice: Choice | undefined) {
    if (!choice) return;
    setText("");
    setOpen(false);
    onPick(choice.symbol);
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setOpen(true);
      const step = event.key === "ArrowDown" ? 1 : -1;
      setActive((active + step + choices.length) % Math.max(1, choices.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      pick(choices[active]);
    } else if (event.key === "Escape") {
      if (!text) (event.target as HTMLElement).blur();
      setOpen(false);
      setText("");
    }
  }

  return (
    <div class="search">
      <input
        ref={inputRef}
        type="text"
        role="combobox"
        aria-label={label}
        aria-autocomplete="list"
        aria-expanded={shown}
        aria-controls={`${id}-list`}
        aria-activedescendant={shown ? `${id}-${active}` : undefined}
        placeholder={placeholder}
        autocomplete="off"
        autocapitalize="characters"
        spellcheck={false}
        value={text}
        onInput={(event) => (setText(event.currentTarget.value), setActive(0), setOpen(true))}
        onKeyDown={onKeyDown}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
      />
      <ul id={`${id}-list`} role="listbox" aria-label={label} hidden={!shown}>
        {choices.map((choice, index) => (
          <li
            key={choice.symbol}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === active}
            // Before the input's blur closes the list.
            onMouseDown={(event) => (event.preventDefault(), pick(choice))}
          >
            <b>{choice.symbol}</b>
            <span class="search-name">{choice.name}</span>
            <span class="muted">{choice.note}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

async function search(q: string): Promise<Asset[]> {
  const lists = await Promise.allSettled(
    CLASSES.map((asset_type) => api.GET("/v1/assets/{asset_type}", { params: { path: { asset_type }, query: { q, limit: 6 } } })),
  );
  return lists.flatMap((list) => (list.status === "fulfilled" ? (list.value.data?.assets ?? []) : []));
}

const MOST_CHOICES = 10;

function choicesFor(text: string, found: readonly Asset[]): Choice[] {
  const typed = normaliseSymbol(text);
  const choices = new Map<string, Choice>();
  const note = (symbol: string, otherwise: string) => (watched.value.has(symbol) ? "watched" : otherwise);
  const exact = found.find((asset) => asset.symbol === typed);
  if (exact) choices.set(exact.symbol, { symbol: exact.symbol, name: exact.name, note: note(exact.symbol, exact.exchange ?? exact.currency) });
  if (typed) {
    for (const symbol of watched.value) {
      if (symbol.startsWith(typed) && choices.size < 4 && !choices.has(symbol)) choices.set(symbol, { symbol, name: "", note: "watched" });
    }
  }
  for (const asset of found) {
    if (!choices.has(asset.symbol)) choices.set(asset.symbol, { symbol: asset.symbol, name: asset.name, note: note(asset.symbol, asset.exchange ?? asset.currency) });
  }
  if (typed && !choices.has(typed)) choices.set(typed, { symbol: typed, name: "as typed", note: "" });
  return [...choices.values()].slice(0, MOST_CHOICES);
}
