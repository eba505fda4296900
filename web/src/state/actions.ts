/** What admins do to plugins, with a toast that says how it went. */
import { signal } from "@preact/signals";
import { api } from "../api/client";
import type { Plugin } from "../api/types";
import { actionTexts } from "../texts";
import { setPlugin } from "./plugins";
import { onUserChange } from "./session";
import { showError, showToast } from "./toasts";

export type PluginAction = "enable" | "disable" | "restart";

/** What is under way, by id. */
export const pendingActions = signal<ReadonlyMap<string, PluginAction>>(new Map());

/** Resolves to whether it was done. One action at a time for each plugin. */
export async function act(plugin: Plugin, action: PluginAction): Promise<boolean> {
  if (pendingActions.value.has(plugin.id)) return false;
  pendingActions.value = new Map(pendingActions.value).set(plugin.id, action);
  try {
    setPlugin(await api[action](plugin.id));
    showToast(actionTexts[action](plugin.name), "success");
    return true;
  } catch (error) {
    showError(error);
    return false;
  } finally {
    const rest = new Map(pendingActions.value);
    rest.delete(plugin.id);
    pendingActions.value = rest;
  }
}

onUserChange(() => {
  pendingActions.value = new Map();
});
