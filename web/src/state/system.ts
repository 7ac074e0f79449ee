// What the service says of itself, for the banner. Only admins may ask, so its absence is no error.

import { computed, signal } from "@preact/signals";
import { api } from "../api/client";
import type { System } from "../api/types";

export const system = signal<System | undefined>(undefined);

const INVENTED = new Set(["simulated", "replay"]);
const inventedSeen = signal<string | undefined>(undefined);

/** A reader who may not ask /v1/system still learns from the prices themselves. */
export function sawProvider(name: string): void {
  if (inventedSeen.peek() === undefined && INVENTED.has(name)) inventedSeen.value = name;
}

export function isInvented(provider: string | undefined): boolean {
  return provider !== undefined && INVENTED.has(provider);
}

export const demo = computed(() => Boolean(system.value?.demo) || inventedSeen.value !== undefined);

export async function loadSystem(): Promise<void> {
  try {
    const { data } = await api.GET("/v1/system");
    system.value = data;
  } catch {
    // Unreachable: the stream's status says so already.
  }
}
