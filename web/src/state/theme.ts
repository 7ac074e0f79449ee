// Light, dark, or as the system says. Only the choice is kept, in this browser.

import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const PLACE = "tickerd.theme";
const kept = localStorage.getItem(PLACE);

export const theme = signal<Theme>(kept === "light" || kept === "dark" ? kept : "system");
/** Counts every change of colours, the system's own included: charts repaint on it. */
export const paint = signal(0);

effect(() => {
  if (theme.value === "system") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem(PLACE);
  } else {
    document.documentElement.dataset.theme = theme.value;
    localStorage.setItem(PLACE, theme.value);
  }
  paint.value = paint.peek() + 1;
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (paint.value += 1));

export function isDark(): boolean {
  return theme.value === "dark" || (theme.value === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
}

export function toggleTheme(): void {
  theme.value = isDark() ? "light" : "dark";
}

/** A custom property as a colour that a canvas understands. */
export function colour(name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
