/** A plugin's own view, with what goes wrong in it. */
import { useSignalEffect } from "@preact/signals";
import { ScrollText } from "lucide-preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Plugin } from "../../api/types";
import { liveEvents } from "../../state/events";
import { isAdmin, user } from "../../state/session";
import { pluginTexts, uiTexts } from "../../texts";
import { Button } from "../../ui/Button";
import { cx } from "../../ui/cx";
import { ErrorPanel } from "../../ui/ErrorPanel";
import { Spinner } from "../../ui/Spinner";
import { openLogs } from "../logs/open";
import { BundleView } from "./BundleView";
import { stackOf } from "./blame";
import { NoBundle } from "./NoBundle";
import styles from "./View.module.css";

/** `covered`: something lies over it; it goes on unseen, and nothing that was typed is lost. */
export function View({ plugin, covered }: { plugin: Plugin; covered: boolean }) {
  const stage = useRef<HTMLDivElement>(null);
  const [view, setView] = useState<BundleView | null>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: as it was when it was opened; the api knows later ones
  useLayoutEffect(() => {
    if (!stage.current || !user.value) return;
    const made = new BundleView(plugin, user.value, stage.current);
    setView(made);
    return () => made.close();
  }, [plugin.id]);
  useLooks(view, plugin);

  const phase = view?.phase.value ?? "loading";
  const seen = !covered && (phase === "mounting" || phase === "mounted");
  return (
    <>
      {!covered && view && <Trouble view={view} plugin={plugin} />}
      {!covered && phase === "absent" && <NoBundle plugin={plugin} />}
      {!covered && phase === "loading" && (
        <div class={styles.loading} role="status" aria-label={uiTexts.loading}>
          <Spinner size={20} />
        </div>
      )}
      <div class={cx(styles.stage, !seen && styles.unseen)} ref={stage} inert={!seen} />
    </>
  );
}

function Trouble({ view, plugin }: { view: BundleView; plugin: Plugin }) {
  const failure = view.failure.value;
  if (!failure) return null;
  const goesOn = view.phase.value !== "failed";
  return (
    <div class={styles.trouble}>
      <ErrorPanel
        title={goesOn ? pluginTexts.brokeTimes(failure.times) : failure.title}
        error={failure.error}
        hint={goesOn ? pluginTexts.goesOn : pluginTexts.onlyThisView}
        details={stackOf(failure.error) || undefined}
        onRetry={() => view.retry()}
      >
        {isAdmin.value && (
          <Button size="s" icon={ScrollText} onClick={() => openLogs(plugin.id)}>
            {pluginTexts.logs}
          </Button>
        )}
        {goesOn && (
          <Button size="s" variant="ghost" onClick={() => view.dismiss()}>
            {uiTexts.dismiss}
          </Button>
        )}
      </ErrorPanel>
    </div>
  );
}

/** Whatever may have brought another bundle lets the view look. */
function useLooks(view: BundleView | null, { id, started_at, state }: Plugin): void {
  const startedBefore = useRef(started_at);
  const up = state === "running";
  useEffect(() => {
    // Before it is up it cannot be asked.
    if (!up || started_at === startedBefore.current) return;
    startedBefore.current = started_at;
    void view?.look();
  }, [view, started_at, up]);

  const lastEvent = useRef(liveEvents.peek()[0]?.id ?? 0);
  useSignalEffect(() => {
    const newer = liveEvents.value.filter((event) => event.id > lastEvent.current);
    lastEvent.current = newer[0]?.id ?? lastEvent.current;
    const changed = newer.some(({ plugin, type }) => plugin === id && CHANGES.has(type));
    if (changed) void view?.look();
  });

  useEffect(() => {
    const look = () => {
      if (!document.hidden) void view?.look();
    };
    window.addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      window.removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, [view]);
}

const CHANGES: ReadonlySet<string> = new Set(["changed", "upgraded"]);
