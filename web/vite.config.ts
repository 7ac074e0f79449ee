import { defineConfig } from "vite";

const service = process.env.TICKERD_URL ?? "http://127.0.0.1:8000";
const paths = ["/v1", "/prices", "/poll", "/metrics", "/ready", "/health"];

export default defineConfig({
  build: {
    target: "es2022",
    // The service's policy is `default-src 'self'`: a data: URL would be refused, so nothing is inlined.
    assetsInlineLimit: 0,
    // Every browser that runs this page preloads modules by itself.
    modulePreload: { polyfill: false },
  },
  server: { proxy: Object.fromEntries(paths.map((path) => [path, service])) },
});
