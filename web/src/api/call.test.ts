import { afterEach, expect, it, vi } from "vitest";
import { call, onSessionEnd, queryOf } from "./call";
import { Problem } from "./problem";

const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });
const unauthenticated = () =>
  json(401, { code: "unauthenticated", title: "Unauthenticated", detail: "Sign in." });

function answering(...answers: (Response | Error)[]) {
  const fetching = vi.fn(async (_url: string, _init: RequestInit) => {
    const answer = answers.shift();
    if (!answer || answer instanceof Error) throw answer ?? new Error("asked too often");
    return answer;
  });
  vi.stubGlobal("fetch", fetching);
  return fetching;
}

afterEach(() => {
  vi.unstubAllGlobals();
  onSessionEnd(async () => false);
});

it("sends and takes JSON", async () => {
  const fetching = answering(json(200, { value: 1 }));
  expect(await call("POST", "/api/x", { body: { a: 1 }, query: { page: 2, q: "" } })).toEqual({ value: 1 });
  const [url, init] = fetching.mock.calls[0] ?? [];
  expect(url).toBe("/api/x?page=2");
  expect(init?.body).toBe('{"a":1}');
});

it("rejects with what the core says", async () => {
  answering(json(429, { code: "too-many-failures", title: "T", detail: "Wait." }, { "retry-after": "60" }));
  const problem = await call("GET", "/api/x").catch((error: unknown) => error);
  expect(problem).toMatchObject({ status: 429, code: "too-many-failures", detail: "Wait.", retryAfter: 60 });
  expect(problem).toBeInstanceOf(Problem);
});

it("has a sentence for an answer that is not of the core", async () => {
  answering(new Response("<h1>Bad gateway</h1>", { status: 502 }));
  await expect(call("GET", "/api/x")).rejects.toThrow(/502/);
});

it("has a sentence where there is no answer, and passes an abort on", async () => {
  answering(new TypeError("Failed to fetch"), new DOMException("", "AbortError"));
  await expect(call("GET", "/api/x")).rejects.toMatchObject({ status: 0, code: "unreachable" });
  await expect(call("GET", "/api/x")).rejects.toMatchObject({ name: "AbortError" });
});

it("goes on after a new sign-in, once", async () => {
  const ended = vi.fn(async () => true);
  onSessionEnd(ended);
  answering(unauthenticated(), json(200, "done"));
  expect(await call("PUT", "/api/x")).toBe("done");
  answering(unauthenticated(), unauthenticated());
  await expect(call("PUT", "/api/x")).rejects.toMatchObject({ status: 401 });
  expect(ended).toHaveBeenCalledTimes(2);
});

it("does not ask for a sign-in because a password is wrong", async () => {
  const ended = vi.fn(async () => true);
  onSessionEnd(ended);
  answering(json(401, { code: "wrong-credentials", title: "T", detail: "Wrong." }));
  await expect(call("POST", "/api/auth/login")).rejects.toThrow("Wrong.");
  expect(ended).not.toHaveBeenCalled();
});

it("leaves out of a query what is not there", () => {
  expect(queryOf({ a: undefined, b: "", c: 0, d: "x y" })).toBe("?c=0&d=x+y");
  expect(queryOf()).toBe("");
});
