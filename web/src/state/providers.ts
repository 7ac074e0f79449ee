// What the service says of its providers.

import { api, ask } from "../api/client";
import type { Provider } from "../api/types";

export async function loadProviders(): Promise<Provider[]> {
  return ask("load the providers", api.GET("/v1/providers"));
}
