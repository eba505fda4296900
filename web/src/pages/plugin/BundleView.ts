/** The life of a plugin's view: loaded, mounted, replaced when its bundle changes, unmounted; and what goes wrong. */
import { signal } from "@preact/signals";
import { api } from "../../api/client";
import { isAbort, Problem } from "../../api/problem";
import type { Plugin, User } from "../../api/types";
import { pluginOf } from "../../state/plugins";
import { showToast } from "../../state/toasts";
import { pluginTexts } from "../../texts";
import { isFrom, type Thrown } from "./blame";
import { bundleVersion, loadBundle } from "./bundles";
import { keepShell, rememberLook } from "./keeper";
import { lastOneLeft, Mounted } from "./mounted";
import styles from "./View.module.css";
import { within } from "./within";

/** `absent`: the plugin has no bundle. */
export type Phase = "loading" | "mounting" | "mounted" | "failed" | "absent";

export interface Failure {
  title: string;
  error: unknown;
  /** How many there were, in a view that goes on. */
  times: number;
}

/** Milliseconds, each for loading and for mounting. */
const PATIENCE = 10_000;

export class BundleView {
  readonly phase = signal<Phase>("loading");
  /** Why it failed; while it is mounted, what went wrong in it last. */
  readonly failure = signal<Failure | null>(null);
  readonly #frame = document.createElement("div");
  readonly #restoreLook = rememberLook();
  readonly #removals = new MutationObserver(() => this.#lookForContainer());
  #turn = new AbortController();
  /** Of what is shown; empty where nothing was loaded. */
  #etag = "";
  #mounted: Mounted | null = null;
  #lookAgain = false;

  /** `stage`: an empty element for it alone. */
  constructor(
    readonly plugin: Plugin,
    readonly user: User,
    readonly stage: HTMLElement,
  ) {
    keepShell();
    this.#frame.className = styles.frame ?? "";
    stage.append(this.#frame);
    this.#removals.observe(stage, { childList: true });
    this.#removals.observe(this.#frame, { childList: true });
    window.addEventListener("error", this.#onError);
    window.addEventListener("unhandledrejection", this.#onRejection);
    void this.#show(false);
  }

  /** Load and mount it anew, whatever became of it. */
  retry(): void {
    if (!this.#isUnderWay) void this.#show(true);
  }

  /** Forget what went wrong in a view that goes on. */
  dismiss(): void {
    this.failure.value = null;
  }

  /** Take the bundle as it is now, where it is another than what is shown. */
  async look(): Promise<void> {
    if (this.#isUnderWay) {
      this.#lookAgain = true;
      return;
    }
    const { signal } = this.#turn;
    const etag = await bundleVersion(this.plugin.id, signal).catch(() => null);
    // Where it cannot be told, what is shown goes on; the next look may know more.
    if (etag === null || etag === this.#etag || signal.aborted) return;
    if (this.phase.value === "mounted") {
      showToast(pluginTexts.replaced(pluginOf(this.plugin.id).peek()?.name ?? this.plugin.name));
    }
    await this.#show(false);
  }

  /** Unmounts it for good. */
  close(): void {
    this.#turn.abort();
    window.removeEventListener("error", this.#onError);
    window.removeEventListener("unhandledrejection", this.#onRejection);
    this.#removals.disconnect();
    void this.#end();
    this.#restoreLook();
  }

  get #isUnderWay(): boolean {
    return this.phase.value === "loading" || this.phase.value === "mounting";
  }

  async #show(anew: boolean): Promise<void> {
    this.#turn.abort();
    this.#turn = new AbortController();
    const { signal } = this.#turn;
    this.phase.value = "loading";
    this.failure.value = null;
    this.#lookAgain = false;
    let title = pluginTexts.notLoaded;
    try {
      await this.#end();
      const loading = this.#load(anew, signal);
      const bundle = await within(PATIENCE, loading, () => new Error(pluginTexts.loadIsLate));
      await lastOneLeft(this.plugin.id);
      if (signal.aborted) return;
      title = pluginTexts.notMounted;
      this.phase.value = "mounting";
      if (!this.#frame.isConnected) this.stage.append(this.#frame);
      const mounted = new Mounted(bundle, this.plugin, this.user, this.#frame);
      this.#mounted = mounted;
      await within(PATIENCE, mounted.mounting, () => new Error(pluginTexts.mountIsLate));
      if (signal.aborted || this.#mounted !== mounted) return;
      this.phase.value = "mounted";
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.code === "bundle-not-found") this.phase.value = "absent";
      else this.#fail(title, error);
    }
    if (this.#lookAgain) void this.look();
  }

  async #load(anew: boolean, signal: AbortSignal) {
    this.#etag = "";
    const etag = await bundleVersion(this.plugin.id, signal);
    signal.throwIfAborted();
    this.#etag = etag;
    return loadBundle(this.plugin.id, etag, anew);
  }

  #fail(title: string, error: unknown): void {
    this.phase.value = "failed";
    // Somebody may throw nothing.
    this.failure.value = { title, error: error ?? String(error), times: 1 };
    void this.#end();
    // For the author's console, with the stack.
    if (!(error instanceof Problem)) reportError(error);
  }

  #end(): Promise<unknown> {
    const mounted = this.#mounted;
    this.#mounted = null;
    return mounted?.end() ?? Promise.resolve();
  }

  #lookForContainer(): void {
    if (this.#mounted && !this.#mounted.container.isConnected) {
      this.#fail(pluginTexts.broke, new Error(pluginTexts.containerGone));
    }
  }

  readonly #onError = (event: ErrorEvent): void => {
    this.#thrown({ error: event.error ?? event.message, file: event.filename });
  };

  readonly #onRejection = (event: PromiseRejectionEvent): void => {
    this.#thrown({ error: event.reason, file: "" });
  };

  #thrown(what: Thrown): void {
    if (!this.#mounted || isAbort(what.error)) return;
    const places = [api.bundleUrl(this.plugin.id), api.routeUrl(this.plugin.route)];
    if (!this.#mounted.threw(what.error) && !isFrom(places, what)) return;
    const times = (this.failure.value?.times ?? 0) + 1;
    this.failure.value = { title: pluginTexts.broke, error: what.error ?? String(what.error), times };
  }
}
