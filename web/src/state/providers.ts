import { api, ask } from "../api/client";
import type { Provider } from "../api/types";

export async function loadProviders(): Promise<Provider[]> {
  const answer = await ask("load the providers", api.GET("/v1/providers"));
  return Array.isArray(answer) ? answer : answer.providers;
}
