// The few browser globals that state modules touch when they are loaded.

import { vi } from "vitest";

class Memory {
  #kept = new Map<string, string>();
  getItem = (key: string) => this.#kept.get(key) ?? null;
  setItem = (key: string, value: string) => void this.#kept.set(key, value);
  removeItem = (key: string) => void this.#kept.delete(key);
}

vi.stubGlobal("sessionStorage", new Memory());
vi.stubGlobal("localStorage", new Memory());
vi.stubGlobal("location", { origin: "http://tickerd.test", hash: "" });
vi.stubGlobal("document", { addEventListener: () => undefined, hidden: false });
vi.stubGlobal("window", { addEventListener: () => undefined });
