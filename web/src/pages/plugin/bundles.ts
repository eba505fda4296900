/** The code of bundles: each version is executed once, however often its view is opened. */
import type { PluginBundle } from "../../../plugin";
import { send } from "../../api/call";
import { api } from "../../api/client";
import { pluginTexts } from "../../texts";

interface Kept {
  etag: string;
  bundle: Promise<PluginBundle>;
}

const kept = new Map<string, Kept>();
/** How often each version was asked for: browsers remember what failed, by its address. */
const asked = new Map<string, number>();

/** The entity tag of the bundle as it is now. Rejects with a `Problem`. */
export async function bundleVersion(id: string, signal: AbortSignal): Promise<string> {
  const url = api.bundleUrl(id);
  // An answer to HEAD cannot say what is wrong.
  const response = await send("HEAD", url, { signal }).catch(() => send("GET", url, { signal }));
  return (response.headers.get("etag") ?? "").replace(/^W\/|"/g, "");
}

/** `anew`: even where it is there already. */
export function loadBundle(id: string, etag: string, anew: boolean): Promise<PluginBundle> {
  const before = kept.get(id);
  if (before?.etag === etag && !anew) return before.bundle;
  const bundle = execute(id, nextUrl(id, etag));
  kept.set(id, { etag, bundle });
  bundle.catch(() => {
    if (kept.get(id)?.bundle === bundle) kept.delete(id);
  });
  return bundle;
}

function nextUrl(id: string, etag: string): string {
  const url = `${api.bundleUrl(id)}?v=${encodeURIComponent(etag)}`;
  const times = asked.get(url) ?? 0;
  asked.set(url, times + 1);
  return times ? `${url}&again=${times}` : url;
}

async function execute(id: string, url: string): Promise<PluginBundle> {
  // What an earlier version left there is not taken for this one's.
  if (registered(id)) Reflect.deleteProperty(window.ToruPlugins ?? {}, id);
  let module: Partial<PluginBundle>;
  try {
    module = await import(/* @vite-ignore */ url);
  } catch (error) {
    throw await explained(error, url);
  }
  const found = typeof module.mount === "function" ? module : registered(id);
  if (typeof found?.mount !== "function") throw new Error(pluginTexts.noMount(id));
  return found as PluginBundle;
}

function registered(id: string): Partial<PluginBundle> | undefined {
  const all: unknown = window.ToruPlugins;
  const found: unknown = all && typeof all === "object" ? Reflect.get(all, id) : undefined;
  return found && typeof found === "object" ? found : undefined;
}

/** Of a bundle that cannot be fetched or read browsers say little. */
async function explained(error: unknown, url: string): Promise<unknown> {
  if (!(error instanceof TypeError || error instanceof SyntaxError)) return error;
  try {
    const response = await send("GET", url);
    return /^\s*</.test(await response.text()) ? new Error(pluginTexts.isHtml) : error;
  } catch (problem) {
    return problem;
  }
}
