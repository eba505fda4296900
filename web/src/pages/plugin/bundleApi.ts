/** What a mounted bundle is given to work with. */
import { effect } from "@preact/signals";
import type { PluginApi, PluginFacts, PluginTheme } from "../../../plugin";
import { fetchSignedIn } from "../../api/call";
import { api } from "../../api/client";
import { isAbort, messageOf } from "../../api/problem";
import type { Plugin, User } from "../../api/types";
import { navigate, paths } from "../../navigation";
import { pluginOf } from "../../state/plugins";
import { theme } from "../../state/theme";
import { showToast, type ToastKind } from "../../state/toasts";
import { pluginTexts } from "../../texts";
import { pageSeenFrom, pathInRoute } from "./addresses";

const TOASTS: readonly ToastKind[] = ["success", "error", "info"];
const LONGEST_TOAST = 500;

export interface OpenApi {
  api: PluginApi;
  /** Whether this was thrown by the api: then it is the bundle that should have caught it. */
  threw: (error: unknown) => boolean;
  /** Cancels what is under way, and makes the rest do nothing. */
  close: () => void;
}

export function openApi(first: Plugin, user: User, container: HTMLElement): OpenApi {
  const closing = new AbortController();
  const { signal } = closing;
  const thrown = new WeakSet<object>();
  const { id } = first;
  const latest = () => pluginOf(id).peek() ?? first;

  async function calling<T>(call: () => Promise<T>): Promise<T> {
    try {
      signal.throwIfAborted();
      return await call();
    } catch (error) {
      const cause: unknown = signal.aborted ? signal.reason : error;
      if (typeof cause === "object" && cause !== null) thrown.add(cause);
      throw cause;
    }
  }

  const given: PluginApi = {
    fetch: (path, options = {}) =>
      calling(() => {
        const url = typeof path === "string" ? pathInRoute(latest().route, path) : null;
        if (url === null) throw new TypeError(pluginTexts.leavesRoute(String(path)));
        const both = options.signal ? AbortSignal.any([options.signal, signal]) : signal;
        return fetchSignedIn(url, { ...options, credentials: "same-origin", signal: both });
      }),
    kv: Object.freeze({
      get: (key: string) => calling(() => api.kv.get(id, key, signal)),
      set: (key: string, value: string, options = {}) =>
        calling(() => api.kv.set(id, key, value, options, signal)),
      delete: (key: string) =>
        calling(async () => {
          await api.kv.delete(id, key, signal);
        }),
      list: (options: Parameters<PluginApi["kv"]["list"]>[0] = {}) =>
        calling(() => api.kv.list(id, typeof options === "string" ? { prefix: options } : options, signal)),
    }),
    navigate: (path) => {
      if (signal.aborted) return;
      const page = pageSeenFrom(paths.plugin(id), path);
      if (page === null) throw new TypeError(pluginTexts.noPage(String(path)));
      navigate(page);
    },
    showToast: (message, kind = "info") => {
      if (signal.aborted) return;
      const text = messageOf(message).slice(0, LONGEST_TOAST);
      showToast(text, TOASTS.includes(kind) ? kind : "info");
    },
    get plugin() {
      return factsOf(latest());
    },
    user: Object.freeze({
      id: user.id,
      username: user.username,
      display_name: user.display_name,
      role: user.role,
    }),
    get theme() {
      return theme.peek();
    },
  };

  const stopTelling = effect(() => {
    const detail: PluginTheme = theme.value;
    container.dispatchEvent(new CustomEvent("toru-theme", { detail }));
  });
  return {
    api: Object.freeze(given),
    threw: (error) => typeof error === "object" && error !== null && thrown.has(error),
    close: () => {
      stopTelling();
      closing.abort(new DOMException(pluginTexts.left, "AbortError"));
    },
  };
}

function factsOf({ id, name, version, author, description, icon, route }: Plugin): PluginFacts {
  return Object.freeze({ id, name, version, author, description, icon, route });
}

// That nobody waited for what was cancelled is nothing to tell of.
window.addEventListener("unhandledrejection", (event) => {
  if (isAbort(event.reason)) event.preventDefault();
});
