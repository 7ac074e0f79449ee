// JSON.parse turns 0.10000000000000000555 into a float and loses the text. Before parsing, the
// numbers under keys that hold decimals are put between quotes, so they arrive as their exact text.
// (A reviver's `context.source` could do it too, but not in every browser that we support.)

export const DECIMAL_KEYS: ReadonlySet<string> = new Set([
  "price", "change", "percent_change", "moving_average", "volume",
  "open", "high", "low", "close", "bid", "ask",
]);

// A whole JSON string first, so that nothing inside a string is ever taken for a key.
const TOKEN = /"((?:[^"\\]|\\.)*)"(?:(\s*:\s*)(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))?/g;

export function quoteDecimals(json: string): string {
  return json.replace(TOKEN, (whole, key: string, colon: string | undefined, number: string) =>
    colon !== undefined && DECIMAL_KEYS.has(key) ? `"${key}"${colon}"${number}"` : whole,
  );
}

export function parseExact<T>(json: string): T {
  return JSON.parse(quoteDecimals(json)) as T;
}

/** `fetch`, with JSON bodies that keep their decimals. For openapi-fetch. */
export async function exactFetch(request: Request): Promise<Response> {
  const response = await fetch(request);
  if (!/[/+]json/.test(response.headers.get("content-type") ?? "") || response.status === 204) return response;
  const body = quoteDecimals(await response.text());
  const { status, statusText } = response;
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  headers.delete("content-encoding");
  return new Response(body, { status, statusText, headers });
}
