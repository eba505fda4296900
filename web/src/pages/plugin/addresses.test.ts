import { expect, test } from "vitest";
import { pageSeenFrom, pathInRoute } from "./addresses";

test.each([
  ["/", "/api/plugins/route/hello/"],
  ["", "/api/plugins/route/hello/"],
  ["items", "/api/plugins/route/hello/items"],
  ["/items?page=2#top", "/api/plugins/route/hello/items?page=2"],
  ["?page=2", "/api/plugins/route/hello/?page=2"],
  ["a/../b", "/api/plugins/route/hello/b"],
  ["/a:b", "/api/plugins/route/hello/a:b"],
  ["/zwei Wörter", "/api/plugins/route/hello/zwei%20W%C3%B6rter"],
])("a path within the route: %s", (path, wanted) => {
  expect(pathInRoute("/hello", path)).toBe(wanted);
});

test.each([
  "..",
  "../",
  "/../other/",
  "/%2e%2e/other/",
  "\\..\\..\\other",
  "../../kv",
  "https://example.org/",
  " https://example.org/",
  "//example.org/",
  "\\\\example.org/",
  "javascript:1",
  "../hello",
])("a path that leaves the route: %s", (path) => {
  expect(pathInRoute("/hello", path)).toBeNull();
});

test.each([
  ["/events", "/events"],
  ["/plugins?plugin=a#b", "/plugins?plugin=a#b"],
  ["?tab=2", "/plugin/hello?tab=2"],
  ["#top", "/plugin/hello#top"],
])("a page: %s", (path, wanted) => {
  expect(pageSeenFrom("/plugin/hello", path)).toBe(wanted);
});

test.each([
  "events",
  "//example.org/",
  "https://example.org/",
  "/api/plugins",
  "/x/../api/me",
  "/\\example.org",
])("no page: %s", (path) => {
  expect(pageSeenFrom("/plugin/hello", path)).toBeNull();
});
