import { describe, expect, it } from "vitest";
import { StreamParser, type StreamEvent } from "../src/stream/parser";

function parse(...chunks: string[]) {
  const events: StreamEvent[] = [];
  const retries: number[] = [];
  const parser = new StreamParser({ onEvent: (event) => events.push(event), onRetry: (millis) => retries.push(millis) });
  for (const chunk of chunks) parser.feed(chunk);
  return { events, retries };
}

const STREAM = 'retry: 500\r\n\r\n: heartbeat\r\n\r\nevent: price\r\nid: 41\r\ndata: {"symbol":"AAPL",\r\ndata: "price":1}\r\n\r\ndata: second\r\n\r\n';
const EXPECTED = [
  { type: "price", id: "41", data: '{"symbol":"AAPL",\n"price":1}' },
  { type: "message", id: "41", data: "second" },
];

describe("the event stream format", () => {
  it("reads events, ids, comments and the retry wish", () => expect(parse(STREAM)).toEqual({ events: EXPECTED, retries: [500] }));

  it("gives the same wherever the chunks end", () => {
    for (let cut = 1; cut < STREAM.length; cut += 1) {
      expect(parse(STREAM.slice(0, cut), STREAM.slice(cut)).events, `cut at ${cut}`).toEqual(EXPECTED);
    }
    expect(parse(...STREAM).events, "one character at a time").toEqual(EXPECTED);
  });

  it.each(["\n", "\r", "\r\n"])("ends lines with %j", (end) =>
    expect(parse(`event: average${end}data: 1${end}${end}data: 2${end}${end}`).events.map(({ data }) => data)).toEqual(["1", "2"]));

  it("does not deliver an event that was cut off", () => expect(parse("data: half\n").events).toEqual([]));
  it("does not deliver an event without data", () => expect(parse("id: 3\nevent: price\n\n").events).toEqual([]));
  it("takes one space after the colon, not two", () => expect(parse("data:  x\n\ndata:y\n\n").events.map(({ data }) => data)).toEqual([" x", "y"]));
  it("drops a byte order mark", () => expect(parse("\uFEFFdata: x\n\n").events).toHaveLength(1));
});
