import { describe, expect, it } from "vitest";
import { loginPath, safeNext } from "./navigation";

describe("safeNext", () => {
  it.each(["/events", "/plugin/hello", "/plugin/hello/logs?level=error", "/plugins?q=a%2Fb#top"])(
    "keeps %s",
    (path) => {
      expect(safeNext(path)).toBe(path);
    },
  );

  it.each([
    null,
    "",
    "events",
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "/\t/evil.example/",
    "/\n/evil.example",
    "/.//evil.example",
    "/x/..//evil.example",
    "javascript:alert(1)",
    " https://evil.example",
    "/login",
    "/login?next=/login",
    "/api/auth/logout",
    "/api",
    "/x/../api/events",
    "/",
  ])("goes to the first page instead of %j", (path) => {
    expect(safeNext(path)).toBe("/plugins");
  });

  it("keeps what only begins like a call", () => {
    expect(safeNext("/apiary")).toBe("/apiary");
  });
});

describe("loginPath", () => {
  it("carries where one wanted to go", () => {
    expect(loginPath("/plugin/a?x=1&y=2")).toBe("/login?next=%2Fplugin%2Fa%3Fx%3D1%26y%3D2");
    expect(loginPath("/plugins")).toBe("/login");
    expect(loginPath("//evil.example")).toBe("/login");
  });
});
