// A stand-in for the service with invented data, for developing and testing the dashboard before
// and without the real one. It speaks the part of DESIGN.md section 4 that the dashboard uses, and
// serves the built files under the same strict policy.
//
//   node mock/server.mjs            MOCK_PORT=8000 MOCK_SYMBOLS=12 MOCK_RATE=1 MOCK_KEY=tkd_…

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { createApi } from "./api.mjs";
import { createMarket } from "./market.mjs";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
export const POLICY = "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'";

export function createMock(options = {}) {
  const market = createMarket(options);
  const api = createApi(market, options);
  let server;
  const mock = {
    market,
    start: (port = 0) =>
      new Promise((resolve) => {
        server = createServer((request, response) => void answer(api, request, response));
        server.listen(port, "127.0.0.1", () => resolve((mock.port = server.address().port)));
      }),
    /** As abrupt as a kill: every connection is cut. */
    stop: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
    end: () => (clearInterval(market.timer), mock.stop()),
  };
  return mock;
}

async function answer(api, request, response) {
  const url = new URL(request.url, "http://mock");
  response.setHeader("Content-Security-Policy", POLICY);
  response.setHeader("X-Content-Type-Options", "nosniff");
  if (await api(request, response, url)) return;
  const path = normalize(decodeURIComponent(url.pathname)).replace(/^(\.\.[/\\])+/, "");
  const body = (await readFile(join(DIST, path)).catch(() => null)) ?? (await readFile(join(DIST, "index.html")).catch(() => "run `npm run build` first"));
  const type = TYPES[extname(path)] ?? TYPES[".html"];
  response.writeHead(200, { "Content-Type": type }).end(body);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { MOCK_PORT = "8000", MOCK_SYMBOLS = "12", MOCK_RATE = "1", MOCK_KEY } = process.env;
  const mock = createMock({ count: Number(MOCK_SYMBOLS), perSecond: Number(MOCK_RATE), key: MOCK_KEY });
  const port = await mock.start(Number(MOCK_PORT));
  console.log(`mock service on http://127.0.0.1:${port}/ (invented prices)`);
}
