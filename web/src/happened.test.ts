import { expect, it } from "vitest";
import type { EventType, PluginEvent } from "./api/types";
import { happened } from "./happened";

const event = (type: EventType, details: Record<string, unknown> = {}): PluginEvent => ({
  id: 1,
  timestamp: "2025-11-22T12:00:00Z",
  plugin: "hello",
  type,
  details,
});

it("tells what is known", () => {
  const exit = { at: "", code: 3, signal: null, detail: "exited with code 3" };
  expect(happened(event("crashed", { exit, consecutive_crashes: 1 }))).toBe("Crashed: exited with code 3");
  expect(happened(event("discovered", { file: "a.binary", version: "1.2" }))).toBe(
    "Found in a.binary, version 1.2",
  );
  expect(happened(event("ready", { pid: 5 }))).toBe("Ready");
});

it("does without the details, which clients do not get", () => {
  expect(happened(event("crashed"))).toBe("Crashed");
  expect(happened(event("started"))).toBe("Started");
});

it("names what an admin did", () => {
  const did = (what: string) => happened(event("admin-action", { who: "root", what, from: "127.0.0.1" }));
  expect(did("POST /api/plugins/hello/restart")).toBe("root restarted it, from 127.0.0.1");
  expect(did("POST /api/plugins/hello/constructor")).toBe(
    "root POST /api/plugins/hello/constructor, from 127.0.0.1",
  );
  expect(did("PUT /api/users/7/password")).toBe("root set the password of an account, from 127.0.0.1");
  expect(did("DELETE /api/tokens/7")).toBe("root revoked an API token, from 127.0.0.1");
});

it("shows a type that is newer than this page as it is", () => {
  expect(happened(event("newer" as EventType))).toBe("newer");
});
