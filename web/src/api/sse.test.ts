import { expect, it } from "vitest";
import { EventParser } from "./sse";

it("gives whole messages, however the text is cut", () => {
  const text = 'event: plugin\ndata: {"id":"a"}\n\nid: 7\ndata: one\ndata: two\n\n';
  const whole = [
    { event: "plugin", data: '{"id":"a"}', id: "" },
    { event: "message", data: "one\ntwo", id: "7" },
  ];
  for (let cut = 0; cut <= text.length; cut += 1) {
    const parser = new EventParser();
    expect([...parser.feed(text.slice(0, cut)), ...parser.feed(text.slice(cut))]).toEqual(whole);
  }
});

it("remembers an id that comes without data, and skips comments", () => {
  const parser = new EventParser();
  expect(parser.feed("id: 42\n\n:\n\n")).toEqual([]);
  expect(parser.lastId).toBe("42");
  expect(parser.feed("event: usage\ndata: {}\n\n")).toEqual([{ event: "usage", data: "{}", id: "42" }]);
});

it("takes lines that end in CR LF", () => {
  expect(new EventParser().feed("data: a\r\n\r\n")).toEqual([{ event: "message", data: "a", id: "" }]);
});
