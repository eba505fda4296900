/** All plugins as they are now. */
import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import { api } from "../api/client";
import { isAbort, messageOf } from "../api/problem";
import type { Plugin } from "../api/types";
import { nameKey } from "../nameKey";
import { onUserChange } from "./session";

export const plugins = signal<ReadonlyMap<string, Plugin>>(new Map());
/** Whether they were ever fetched: an empty list means nothing before. */
export const pluginsLoaded = signal(false);
/** Why they could not be fetched; empty where they could. */
export const pluginsFailure = signal("");

export const pluginList = computed(() => [...plugins.value.values()].sort(byName));
export const enabledPlugins = computed(() => pluginList.value.filter((plugin) => plugin.enabled));

const watched = new Map<string, ReadonlySignal<Plugin | undefined>>();
/** Ids that the stream told of while a fetch was under way: it knows better. */
let touched: Set<string> | null = null;
let fetching: AbortController | null = null;

/** One plugin, for whoever is to be drawn anew only when that one changes. */
export function pluginOf(id: string): ReadonlySignal<Plugin | undefined> {
  const found = watched.get(id) ?? computed(() => plugins.value.get(id));
  watched.set(id, found);
  return found;
}

/** A plugin as the core just told it. */
export function setPlugin(plugin: Plugin): void {
  touched?.add(plugin.id);
  plugins.value = new Map(plugins.value).set(plugin.id, plugin);
}

export function forgetPlugin(id: string): void {
  touched?.add(id);
  const rest = new Map(plugins.value);
  if (rest.delete(id)) plugins.value = rest;
}

/** Fetch all of them. Never rejects. */
export async function refreshPlugins(): Promise<void> {
  fetching?.abort();
  const mine = new AbortController();
  fetching = mine;
  const newer = new Set<string>();
  touched = newer;
  try {
    const found = new Map((await api.plugins(mine.signal)).map((plugin) => [plugin.id, plugin]));
    for (const id of newer) {
      const told = plugins.value.get(id);
      if (told) found.set(id, told);
      else found.delete(id);
    }
    batch(() => {
      plugins.value = keepSame(plugins.value, found);
      pluginsLoaded.value = true;
    });
    pluginsFailure.value = "";
  } catch (error) {
    if (!isAbort(error)) pluginsFailure.value = messageOf(error);
  } finally {
    if (fetching === mine) {
      fetching = null;
      touched = null;
    }
  }
}

/** `now`, with what did not change as it was `before`, so that nobody draws it anew. */
function keepSame(before: ReadonlyMap<string, Plugin>, now: Map<string, Plugin>): Map<string, Plugin> {
  for (const [id, plugin] of now) {
    const known = before.get(id);
    if (known && told(known) === told(plugin)) now.set(id, known);
  }
  return now;
}

/** All that is shown of it: how long it is up is counted here. */
function told(plugin: Plugin): string {
  return JSON.stringify({ ...plugin, uptime_seconds: null });
}

export function byName(one: Plugin, other: Plugin): number {
  return order(nameKey(one.name), nameKey(other.name)) || order(one.id, other.id);
}

function order(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

onUserChange(() => {
  fetching?.abort();
  plugins.value = new Map();
  pluginsLoaded.value = false;
  pluginsFailure.value = "";
  watched.clear();
});
