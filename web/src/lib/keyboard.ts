// Single-key shortcuts. They can be switched off (WCAG 2.1.4): speech input types letters too.

import { signal } from "@preact/signals";
import { navigate } from "../router";
import { toggleTheme } from "../state/theme";

const PLACE = "tickerd.shortcuts";

export const shortcutsOn = signal(localStorage.getItem(PLACE) !== "off");
export const helpOpen = signal(false);
/** The header's search box registers itself here. */
export const searchBox: { current: HTMLInputElement | null } = { current: null };

export const SHORTCUTS: readonly [keys: string, what: string][] = [
  ["/", "Search a symbol"],
  ["?", "This help"],
  ["g q", "Quotes"],
  ["g j", "Jobs"],
  ["g p", "Providers"],
  ["g i", "Pipeline"],
  ["g s", "System"],
  ["j  k", "Next and previous row of the watchlist"],
  ["t", "Light or dark"],
];

const PAGES: Record<string, string> = { q: "quotes", j: "jobs", p: "providers", i: "pipeline", s: "system" };

export function setShortcuts(on: boolean): void {
  shortcutsOn.value = on;
  localStorage.setItem(PLACE, on ? "on" : "off");
}

let leader = 0;

export function listenForKeys(): void {
  window.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    const typing = target.closest("input, textarea, select, [contenteditable]") !== null;
    if (!shortcutsOn.value || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (act(event.key)) event.preventDefault();
  });
}

function act(key: string): boolean {
  const followsLeader = Date.now() - leader < 1200;
  leader = 0;
  if (followsLeader && PAGES[key]) navigate(`#/${PAGES[key]}`);
  else if (key === "g") leader = Date.now();
  else if (key === "/") searchBox.current?.focus();
  else if (key === "?") helpOpen.value = true;
  else if (key === "t") toggleTheme();
  else if (key === "j" || key === "k") moveRow(key === "j" ? 1 : -1);
  else return false;
  return true;
}

function moveRow(step: 1 | -1): void {
  const links = [...document.querySelectorAll<HTMLElement>("[data-row-link]")];
  const at = links.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + step));
  links[next]?.focus();
}
