// The reader's API key. It lives in session storage only: closing the tab forgets it, and it never
// reaches a URL, a log or another tab.

import { computed, signal } from "@preact/signals";

const PLACE = "tickerd.key";

const key = signal<string | null>(sessionStorage.getItem(PLACE));

/** The service refused a request for want of a (valid) key: pages give way to the sign-in form. */
export const keyWanted = signal(false);

/** A key that was just made, until its maker has it. */
export const freshKey = signal<string | undefined>(undefined);

/** Counts sign-ins and sign-outs: what one key was refused, another may see. */
export const keyChanges = signal(0);

export const signedIn = computed(() => key.value !== null);

export function authorization(): Record<string, string> {
  return key.value ? { Authorization: `Bearer ${key.value}` } : {};
}

export function signIn(newKey: string): void {
  sessionStorage.setItem(PLACE, newKey);
  key.value = newKey;
  keyWanted.value = false;
  keyChanges.value += 1;
}

export function signOut(): void {
  sessionStorage.removeItem(PLACE);
  key.value = null;
  keyChanges.value += 1;
}

/** Which key, without its secret: `tkd_<id>_…`. */
export const keyHint = computed(() => {
  const id = /^tkd_([^_]+)_/.exec(key.value ?? "")?.[1];
  return id ? `tkd_${id}_…` : key.value ? "a key" : undefined;
});
