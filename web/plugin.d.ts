/**
 * What a plugin's `bundle.js` gives to the dashboard of toru, and what it gets. Copy this file beside your sources;
 * docs/frontend.md says the rest.
 */

export interface PluginBundle {
  /** Puts the view into `container`. What it returns, or resolves to, is ignored; it has 10 seconds to resolve. */
  mount(container: HTMLElement, api: PluginApi): unknown;
  /** Called once for each `mount`, when that has settled. Ends timers, listeners and whatever else goes on. */
  unmount?(container: HTMLElement): unknown;
}

export type PluginTheme = "light" | "dark";
export type ToastKind = "success" | "error" | "info";

/** Frozen. Once the view is left, calls reject with an `AbortError` and the rest does nothing. */
export interface PluginApi {
  /**
   * Like `fetch`, within the plugin's own route: `api.fetch("/items?page=2")`. Resolves to whatever the plugin answers,
   * errors as well. A path that leaves the route is a TypeError.
   */
  fetch(path: string, options?: RequestInit): Promise<Response>;
  readonly kv: PluginKv;
  /** To a page of the dashboard (`/events`), or to another state of this view (`?tab=2`, `#top`). */
  navigate(path: string): void;
  showToast(message: string, kind?: ToastKind): void;
  /** The plugin as it is now. */
  readonly plugin: PluginFacts;
  /** Who looks at it. */
  readonly user: PluginUser;
  /** What is shown now; the container gets the event `toru-theme` when it changes. */
  readonly theme: PluginTheme;
}

/**
 * The plugin's storage. For users of the role `client` keys have to start with `user/<their id>/`. What is refused
 * rejects with an Error that has `message`, `status` (as in HTTP) and `code`.
 */
export interface PluginKv {
  /** null where there is none. */
  get(key: string): Promise<string | null>;
  /** Resolves to the value, once it is on disk. */
  set(key: string, value: string, options?: KvSetOptions): Promise<string>;
  delete(key: string): Promise<void>;
  /** Of a prefix, or of `{prefix, limit, after}`. `next` is the `after` of the next page, null where there is none. */
  list(options?: string | KvListOptions): Promise<{ keys: string[]; next: string | null }>;
}

export interface KvSetOptions {
  ttl_seconds?: number;
  /** Set only where the value still is this; null: where there is none. Else it rejects, with status 409. */
  expect?: string | null;
}

export interface KvListOptions {
  prefix?: string;
  limit?: number;
  after?: string;
}

export interface PluginFacts {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly author: string;
  readonly description: string;
  readonly icon: string;
  readonly route: string;
}

export interface PluginUser {
  readonly id: string;
  readonly username: string;
  readonly display_name: string;
  readonly role: "admin" | "client";
}

declare global {
  interface Window {
    /** For a bundle that exports nothing. */
    ToruPlugins?: Record<string, PluginBundle>;
  }
  interface HTMLElementEventMap {
    "toru-theme": CustomEvent<PluginTheme>;
  }
}
