// The real service, on a free port of this machine and with a data directory of its own.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./support.mjs";

/** TICKERD_E2E_BINARY, else what cargo has built last. */
export function binary() {
  const { TICKERD_E2E_BINARY } = process.env;
  if (TICKERD_E2E_BINARY) return TICKERD_E2E_BINARY;
  const built = ["debug", "release"].map((profile) => fileURLToPath(new URL(`../../target/${profile}/tickerd`, import.meta.url))).filter(existsSync);
  if (built.length === 0) throw new Error("there is no tickerd to test: run `cargo build`, or set TICKERD_E2E_BINARY");
  return built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

export class Service {
  #args;
  #settings;
  #directory = mkdtempSync(join(tmpdir(), "tickerd-e2e-"));
  #child;
  #port = 0;
  /** The last lines that the service wrote, for when a case fails. */
  log = [];

  /**
   * `settings` are environment variables: TICKERD_SECTION__KEY. Nothing else is inherited.
   * `before` may fill the data directory before it is opened.
   */
  static async start({ args = ["--demo"], settings = {}, before = () => {} } = {}) {
    const service = new Service();
    service.#args = args;
    service.#settings = settings;
    await before(service);
    await service.start();
    return service;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  get directory() {
    return this.#directory;
  }

  /** Starts, or starts again where it was: the same address and the same data. */
  async start() {
    const child = this.#spawn(["serve", "--port", String(this.#port), "--data-dir", this.#directory, ...this.#args]);
    this.#child = child;
    let ended = false;
    child.once("exit", () => (ended = true));
    const failed = () => new Error(`the service ended at once:\n${this.log.join("\n")}`);
    await until("the service answers", async () => {
      if (ended) throw failed();
      const address = /url +http:\/\/[\d.]+:(\d+)/.exec(this.log.join("\n"));
      if (address) this.#port = Number(address[1]);
      return this.#port && (await fetch(`${this.url}/ready`).then((answer) => answer.ok, () => false));
    });
    await this.#hasDashboard();
  }

  /** What stands in for the dashboard looks like none of its pages: no case need wait for one. */
  async #hasDashboard() {
    const page = await fetch(this.url).then((answer) => answer.text());
    if (page.includes('<script type="module"')) return;
    const reason = /<p>(This binary was built without it: [^<]*)<\/p>/.exec(page)?.[1] ?? `its page is ${JSON.stringify(page.slice(0, 200))}`;
    throw new Error(`${binary()} has no dashboard to test. ${reason} Run \`npm run build\` to see what is wrong, then \`touch build.rs && cargo build\`.`);
  }

  /** Runs another verb of the same binary on the same data; answers what it printed. */
  async run(...args) {
    const child = this.#spawn(args);
    let printed = "";
    child.stdout.on("data", (text) => (printed += text));
    const code = await new Promise((resolve) => child.once("exit", resolve));
    if (code !== 0) throw new Error(`tickerd ${args.join(" ")} ended with ${code}:\n${this.log.join("\n")}`);
    return printed;
  }

  #spawn(args) {
    const env = { PATH: process.env.PATH, HOME: this.#directory, TICKERD_DEMO__INTERVAL: "500ms", ...this.#settings };
    const child = spawn(binary(), args, { cwd: this.#directory, env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (this.log = [...this.log, ...text.split("\n").filter(Boolean)].slice(-60)));
    }
    return child;
  }

  /** As a power cut: nothing is tidied up. */
  async kill(signal = "SIGKILL") {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await gone;
  }

  async end() {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
