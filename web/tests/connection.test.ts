import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backoff, StreamConnection, type StreamPhase } from "../src/stream/connection";

interface Call {
  url: string;
  headers: Record<string, string>;
  send(text: string): void;
  end(): void;
}

/** A service whose every answer the test decides. */
function fakeService(answers: ((call: Call) => Response | Error)[]) {
  const calls: Call[] = [];
  const fetch = vi.fn(async (url: string, init: RequestInit) => {
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
    init.signal!.addEventListener("abort", () => {
      try { controller.error(init.signal!.reason); } catch { /* ended already */ }
    });
    const encoder = new TextEncoder();
    const call: Call = { url, headers: init.headers as Record<string, string>, send: (text) => controller.enqueue(encoder.encode(text)), end: () => controller.close() };
    calls.push(call);
    const answer = (answers[calls.length - 1] ?? (() => new Response(body)))(call);
    if (answer instanceof Error) throw answer;
    return answer.status === 200 ? new Response(body) : answer;
  });
  return { calls, fetch: fetch as unknown as typeof globalThis.fetch };
}

function open(answers: ((call: Call) => Response | Error)[] = []) {
  const service = fakeService(answers);
  const phases: StreamPhase[] = [];
  const data: string[] = [];
  const connection = new StreamConnection({
    headers: () => ({ Authorization: "Bearer tkd_a_b" }), onEvent: (event) => data.push(event.data), onPhase: (phase) => phases.push(phase),
    silenceMs: 40_000, fetch: service.fetch, random: () => 1,
  });
  connection.open("/v1/stream?symbols=AAPL");
  return { ...service, phases, data, connection, last: () => phases.at(-1)! };
}

const settle = () => vi.advanceTimersByTimeAsync(0);

describe("the stream's connection", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("sends the key in a header, never in the URL", async () => {
    const { calls } = open();
    await settle();
    expect(calls[0]!.headers.Authorization).toBe("Bearer tkd_a_b");
    expect(calls[0]!.url).not.toContain("tkd_");
  });

  it("resumes after the last id that it saw", async () => {
    const { calls, data, last } = open();
    await settle();
    calls[0]!.send("id: 7\ndata: a\n\nid: 8\ndata: b\n\nid: 9\ndata: cut of");
    await settle();
    calls[0]!.end();
    await settle();
    expect(last().name).toBe("waiting");
    await vi.advanceTimersByTimeAsync(500);
    expect(calls[1]!.headers["Last-Event-ID"]).toBe("8");
    expect(data).toEqual(["a", "b"]);
    expect(last()).toEqual({ name: "live", resumedAfter: "8" });
  });

  it("waits longer after each failure, and short again after a message", async () => {
    const refuse = () => new TypeError("refused");
    const { phases, calls } = open([refuse, refuse, refuse]);
    await vi.advanceTimersByTimeAsync(500 + 1000 + 2000);
    expect(calls).toHaveLength(4);
    calls[3]!.send("data: x\n\n");
    await settle();
    calls[3]!.end();
    await settle();
    const attempts = phases.flatMap((phase) => (phase.name === "waiting" ? [phase.attempt] : []));
    expect(attempts).toEqual([1, 2, 3, 1]);
  });

  it("gives up a connection that has fallen silent", async () => {
    const { calls, last } = open();
    await settle();
    await vi.advanceTimersByTimeAsync(39_000);
    calls[0]!.send(": heartbeat\n\n");
    await vi.advanceTimersByTimeAsync(39_000);
    expect(last().name).toBe("live");
    await vi.advanceTimersByTimeAsync(1001);
    expect(last()).toMatchObject({ name: "waiting", reason: "nothing heard for 40 s" });
  });

  it("does not insist when the service refuses", async () => {
    const { calls, last } = open([() => new Response(null, { status: 401 })]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(last()).toMatchObject({ name: "refused", status: 401 });
    expect(calls).toHaveLength(1);
  });

  it("obeys Retry-After", async () => {
    const { calls } = open([() => new Response(null, { status: 429, headers: { "Retry-After": "7" } })]);
    await vi.advanceTimersByTimeAsync(6900);
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(calls).toHaveLength(2);
  });

  it("starts another subscription from now, not from the old one's position", async () => {
    const { calls, connection } = open();
    await settle();
    calls[0]!.send("id: 7\ndata: a\n\n");
    await settle();
    connection.open("/v1/stream?symbols=MSFT");
    await settle();
    expect(calls[1]!.headers["Last-Event-ID"]).toBeUndefined();
  });

  it("stays quiet while offline and resumes when back", async () => {
    const { calls, connection, last } = open();
    await settle();
    calls[0]!.send("id: 7\ndata: a\n\n");
    await settle();
    connection.suspend();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(last().name).toBe("offline");
    expect(calls).toHaveLength(1);
    connection.retry();
    await settle();
    expect(calls[1]!.headers["Last-Event-ID"]).toBe("7");
  });

  it("rests when nobody looks, and then starts from now", async () => {
    const { calls, connection, last } = open();
    await settle();
    calls[0]!.send("id: 7\ndata: a\n\n");
    await settle();
    connection.rest();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(last().name).toBe("idle");
    expect(calls).toHaveLength(1);
    connection.retry();
    await settle();
    expect(calls[1]!.headers["Last-Event-ID"]).toBeUndefined();
  });

  it("caps the pause and keeps at least half of it", () => {
    expect(backoff(1, 0)).toBe(250);
    expect(backoff(30, 1)).toBe(20_000);
    expect(backoff(30, 0)).toBe(10_000);
  });
});
