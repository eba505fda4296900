/** All plugins as they are now. */
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { api } from "../api/client";
import { isAbort, messageOf } from "../api/problem";
import type { Plugin } from "../api/types";
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
    plugins.value = found;
    pluginsLoaded.value = true;
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

export function byName(one: Plugin, other: Plugin): number {
  return (
    one.name.localeCompare(other.name, undefined, { sensitivity: "base", numeric: true }) ||
    (one.id < other.id ? -1 : 1)
  );
}

onUserChange(() => {
  fetching?.abort();
  plugins.value = new Map();
  pluginsLoaded.value = false;
  pluginsFailure.value = "";
  watched.clear();
});
