/** One `mount` of a bundle, and the one `unmount` that belongs to it. */
import type { PluginBundle } from "../../../plugin";
import type { Plugin, User } from "../../api/types";
import { type OpenApi, openApi } from "./bundleApi";
import styles from "./View.module.css";
import { settled } from "./within";

/** How long a bundle may take to give up its mounting and to unmount, before the next mount; milliseconds. */
const PATIENCE = 2000;

const leaving = new Map<string, Promise<unknown>>();

/** Resolves when no earlier view of that plugin is being unmounted any more. */
export function lastOneLeft(id: string): Promise<unknown> {
  return leaving.get(id) ?? Promise.resolve();
}

export class Mounted {
  readonly container = document.createElement("div");
  /** Settles as what `mount` returned. */
  readonly mounting: Promise<unknown>;
  readonly #api: OpenApi;
  #isMounting = true;
  #ended = false;

  constructor(
    readonly bundle: PluginBundle,
    readonly plugin: Plugin,
    user: User,
    place: HTMLElement,
  ) {
    this.container.dataset.pluginContainer = plugin.id;
    this.container.className = styles.container ?? "";
    place.append(this.container);
    this.#api = openApi(plugin, user, this.container);
    this.mounting = new Promise((resolve) => {
      resolve(bundle.mount(this.container, this.#api.api));
    });
    const done = () => {
      this.#isMounting = false;
    };
    this.mounting.then(done, done);
  }

  threw(error: unknown): boolean {
    return this.#api.threw(error);
  }

  /** Unmounts it, at once where its mounting is over. Never rejects. */
  end(): Promise<unknown> {
    if (this.#ended) return lastOneLeft(this.plugin.id);
    this.#ended = true;
    const left = this.#leave();
    leaving.set(this.plugin.id, left);
    return left;
  }

  async #leave(): Promise<void> {
    this.#api.close();
    if (this.#isMounting) await settled(PATIENCE, this.mounting);
    try {
      const unmounting = Promise.resolve(this.bundle.unmount?.(this.container));
      unmounting.catch(reportError);
      await settled(PATIENCE, unmounting);
    } catch (error) {
      // It is left all the same; this is for the author's console.
      reportError(error);
    }
    this.container.remove();
  }
}
