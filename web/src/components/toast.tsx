// One line at the foot of the page that says what just happened, spoken politely.

import { signal } from "@preact/signals";

const shown = signal<{ text: string; bad: boolean } | undefined>(undefined);
let timer: ReturnType<typeof setTimeout>;

export function say(text: string): void {
  show(text, false);
}

export function complain(error: unknown): void {
  show(error instanceof Error ? error.message : String(error), true);
}

function show(text: string, bad: boolean): void {
  clearTimeout(timer);
  shown.value = { text, bad };
  timer = setTimeout(() => (shown.value = undefined), bad ? 12_000 : 5000);
}

export function Toast() {
  const toast = shown.value;
  return (
    <div class="toast-place" role="status" aria-live="polite">
      {toast && (
        <div class={toast.bad ? "toast toast-bad" : "toast"}>
          <span>{toast.bad ? "■ " : "✓ "}{toast.text}</span>
          <button type="button" class="quiet icon" aria-label="Dismiss" onClick={() => (shown.value = undefined)}>✕</button>
        </div>
      )}
    </div>
  );
}
