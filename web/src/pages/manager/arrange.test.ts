import { expect, it } from "vitest";
import type { Plugin } from "../../api/types";
import { arrange, isTrouble } from "./arrange";

function plugin(id: string, more: Partial<Plugin> = {}): Plugin {
  return {
    id,
    name: id,
    version: "1",
    author: "",
    description: "",
    icon: "",
    route: `/${id}`,
    capabilities: [],
    protocol: "2",
    enabled: true,
    state: "running",
    running: true,
    health: "healthy",
    started_at: null,
    uptime_seconds: null,
    restarts: 0,
    consecutive_crashes: 0,
    next_restart_at: null,
    problem: null,
    traffic: { requests: 0, errors: 0, in_flight: 0, latency_ms: { p50: null, p99: null } },
    ...more,
  };
}

const well = plugin("well");
const starting = plugin("starting", { state: "starting", health: "unhealthy" });
const crashed = plugin("crashed", { state: "backoff", health: "unhealthy", problem: "crashed: exit code 3" });
const off = plugin("off", { state: "disabled", health: "disabled", enabled: false });
const gaveUp = plugin("gave-up", {
  ...off,
  id: "gave-up",
  name: "gave-up",
  problem: "disabled after 10 crashes",
});
const all = [off, well, starting, gaveUp, crashed];
const nothing = () => Number.NaN;
const ids = (plugins: readonly Plugin[]) => plugins.map((one) => one.id);
const usual = { q: "", show: "all", sort: "name" } as const;

it("tells trouble from what is on its way", () => {
  expect(ids(all.filter(isTrouble))).toEqual(["gave-up", "crashed"]);
});

it("shows what was asked for", () => {
  const shown = (show: "all" | "running" | "trouble" | "disabled") =>
    ids(arrange(all, { ...usual, show }, nothing));
  expect(shown("all")).toHaveLength(5);
  expect(shown("running")).toEqual(["well"]);
  expect(shown("trouble")).toEqual(["crashed", "gave-up"]);
  expect(shown("disabled")).toEqual(["gave-up", "off"]);
});

it("searches for all words, anywhere, whatever the case", () => {
  const written = plugin("x", { name: "Weather", author: "Ada", description: "Forecasts" });
  const search = (q: string) => arrange([...all, written], { ...usual, q }, nothing);
  expect(ids(search("  ADA fore"))).toEqual(["x"]);
  expect(search("ada nobody")).toEqual([]);
});

it("puts first what needs somebody", () => {
  expect(ids(arrange(all, { ...usual, sort: "state" }, nothing))).toEqual([
    "crashed",
    "gave-up",
    "starting",
    "well",
    "off",
  ]);
});

it("puts first what uses most, and last what nobody knows of", () => {
  const loads: Record<string, number> = { off: Number.NaN, well: 2, starting: 0, crashed: 7 };
  const sorted = arrange(all, { ...usual, sort: "cpu" }, (id) => loads[id] ?? Number.NaN);
  expect(ids(sorted)).toEqual(["crashed", "well", "starting", "gave-up", "off"]);
});
