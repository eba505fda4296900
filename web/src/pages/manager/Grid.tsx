/** The cards. Whoever uses the keyboard keeps the place when cards move or go. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { managerTexts } from "../../texts";
import { detailsPage } from "./detailsPage";
import styles from "./Manager.module.css";
import { cardLinkId, PluginCard } from "./PluginCard";
import cardStyles from "./PluginCard.module.css";
import { useByAndBy } from "./useByAndBy";
import { addressOf, type View } from "./view";

export function Grid({ ids, view }: { ids: readonly string[]; view: View }) {
  const list = useRef<HTMLUListElement>(null);
  const drawn = useByAndBy(ids.length);
  const focused = useRef<{ element: HTMLElement; at: number } | null>(null);

  useEffect(() => {
    // Whoever presses elsewhere has left; a card that goes takes the focus with it, and tells nobody.
    const left = (event: Event) => {
      if (!list.current?.contains(event.target as Node)) focused.current = null;
    };
    document.addEventListener("pointerdown", left);
    document.addEventListener("focusin", left);
    return () => {
      document.removeEventListener("pointerdown", left);
      document.removeEventListener("focusin", left);
    };
  }, []);

  useLayoutEffect(() => {
    const last = focused.current;
    if (!last || document.activeElement !== document.body) return;
    const next = ids[Math.min(last.at, ids.length - 1)];
    const element = last.element.isConnected ? last.element : document.getElementById(cardLinkId(next ?? ""));
    element?.focus({ preventScroll: true });
  }, [ids]);

  return (
    <ul
      ref={list}
      class={styles.grid}
      aria-label={managerTexts.title}
      onPointerEnter={detailsPage.preload}
      onFocusIn={(event) => {
        detailsPage.preload();
        const element = event.target as HTMLElement;
        const card = element.closest("li");
        const at = card ? [...event.currentTarget.children].indexOf(card) : 0;
        focused.current = { element, at };
      }}
    >
      {ids.map((id, at) =>
        at < drawn ? (
          <PluginCard
            key={id}
            id={id}
            query={view.q}
            href={addressOf({ ...view, plugin: id, tab: "overview" })}
          />
        ) : (
          <li key={id} class={cardStyles.card} />
        ),
      )}
    </ul>
  );
}
