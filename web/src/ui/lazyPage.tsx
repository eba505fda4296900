/** A page whose code is fetched when it is first shown. */
import { RefreshCw } from "lucide-preact";
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { errorTexts, uiTexts } from "../texts";
import { Button } from "./Button";
import { ErrorPanel } from "./ErrorPanel";
import styles from "./Page.module.css";
import { Spinner } from "./Spinner";

export interface LazyPage<P> {
  Page: ComponentType<P>;
  /** Fetch its code already. */
  preload: () => void;
}

export function lazyPage<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): LazyPage<P> {
  let Loaded: ComponentType<P> | null = null;
  let loading: Promise<void> | null = null;

  function fetchOnce(): Promise<void> {
    loading ??= load().then(
      (module) => {
        Loaded = module.default;
      },
      (error: unknown) => {
        loading = null;
        throw error;
      },
    );
    return loading;
  }

  function Page(props: P) {
    const [failed, setFailed] = useState(false);
    const [, setReady] = useState(Loaded !== null);

    useEffect(() => {
      let gone = false;
      fetchOnce().then(
        () => !gone && setReady(true),
        () => !gone && setFailed(true),
      );
      return () => {
        gone = true;
      };
    }, []);

    if (Loaded) return <Loaded {...props} />;
    if (failed) return <NotLoaded />;
    return (
      <div class={styles.waiting} role="status" aria-label={uiTexts.loading}>
        <Spinner size={20} />
      </div>
    );
  }

  return { Page, preload: () => void fetchOnce().catch(() => undefined) };
}

function NotLoaded() {
  return (
    <div class={styles.page}>
      <ErrorPanel title={errorTexts.updated} hint={errorTexts.updatedHint}>
        <Button size="s" icon={RefreshCw} onClick={() => location.reload()}>
          {errorTexts.reload}
        </Button>
      </ErrorPanel>
    </div>
  );
}
