/** Ten minutes of one plugin's figures, ready to be drawn. */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { Figures } from "../api/types";
import { Ring } from "./ring";

/** One figure every 2 s, for 10 minutes. */
export const SLOTS = 300;

/** Percent of a core; bytes; requests and failed requests a second; requests being answered; milliseconds. */
export const MEASURES = ["cpu", "memory", "rate", "errorRate", "inFlight", "p50", "p99"] as const;
export type Measure = (typeof MEASURES)[number];

/** NaN stands for "not known", as where nothing runs. */
export class Series {
  readonly #rings = Object.fromEntries(MEASURES.map((each) => [each, new Ring(SLOTS)])) as Record<
    Measure,
    Ring
  >;
  readonly #version = signal(0);
  #before: Figures | null = null;

  /** Counts changes: whoever reads it in a component is drawn anew with each. */
  get version(): ReadonlySignal<number> {
    return this.#version;
  }

  /** Figures that are not newer than the last are left out. */
  push(figures: Figures): void {
    if (this.#before && Date.parse(figures.timestamp) <= Date.parse(this.#before.timestamp)) return;
    this.#add(figures);
    this.#version.value += 1;
  }

  /** Begin anew with what the core remembers, and keep what came after that. */
  load(history: readonly Figures[]): void {
    const newest = history.at(-1);
    const after = this.#before;
    for (const ring of Object.values(this.#rings)) ring.clear();
    this.#before = null;
    for (const figures of history) this.#add(figures);
    if (after && newest && after.timestamp > newest.timestamp) this.#add(after);
    this.#version.value += 1;
  }

  /** Oldest first. */
  values(measure: Measure): number[] {
    return this.#rings[measure].toArray();
  }

  last(measure: Measure): number {
    return this.#rings[measure].last();
  }

  /** The figures as they came last. */
  get latest(): Figures | null {
    return this.#before;
  }

  #add(figures: Figures): void {
    const { usage, traffic } = figures;
    const before = this.#before;
    const rings = this.#rings;
    rings.cpu.push(usage?.cpu_percent ?? Number.NaN);
    rings.memory.push(usage?.rss_bytes ?? Number.NaN);
    rings.rate.push(before ? ratePerSecond(before, figures, "requests") : Number.NaN);
    rings.errorRate.push(before ? ratePerSecond(before, figures, "errors") : Number.NaN);
    rings.inFlight.push(traffic.in_flight);
    rings.p50.push(traffic.latency_ms.p50 ?? Number.NaN);
    rings.p99.push(traffic.latency_ms.p99 ?? Number.NaN);
    this.#before = figures;
  }
}

/** How fast a count grew; NaN where it began anew, with the core. */
export function ratePerSecond(before: Figures, after: Figures, count: "requests" | "errors"): number {
  const seconds = (Date.parse(after.timestamp) - Date.parse(before.timestamp)) / 1000;
  const grown = after.traffic[count] - before.traffic[count];
  return seconds > 0 && grown >= 0 ? grown / seconds : Number.NaN;
}
