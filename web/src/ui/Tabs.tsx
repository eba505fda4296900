/** A row of tabs over one panel. */
import type { ComponentChildren } from "preact";
import { cx } from "./cx";
import { stepTo } from "./stepTo";
import styles from "./Tabs.module.css";
import { useId } from "./useId";

export interface Tab<Id extends string> {
  id: Id;
  label: string;
  count?: number;
}

export interface TabsProps<Id extends string> {
  /** What all of them are about. */
  label: string;
  tabs: readonly Tab<Id>[];
  selected: Id;
  onSelect: (id: Id) => void;
  /** What the selected tab shows. */
  children: ComponentChildren;
}

export function Tabs<Id extends string>({ label, tabs, selected, onSelect, children }: TabsProps<Id>) {
  const base = useId();
  return (
    <div class={styles.tabs}>
      <div class={styles.list} role="tablist" aria-label={label} onKeyDown={step}>
        {tabs.map((tab) => (
          <button
            key={tab.id}
            type="button"
            role="tab"
            id={`${base}-${tab.id}`}
            class={cx(styles.tab, tab.id === selected && styles.selected)}
            aria-selected={tab.id === selected}
            aria-controls={`${base}-panel`}
            tabIndex={tab.id === selected ? 0 : -1}
            onClick={() => onSelect(tab.id)}
          >
            {tab.label}
            {tab.count !== undefined && <span class={styles.count}>{tab.count}</span>}
          </button>
        ))}
      </div>
      <div
        class={styles.panel}
        role="tabpanel"
        id={`${base}-panel`}
        aria-labelledby={`${base}-${selected}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a panel may hold nothing that takes the focus
        tabIndex={0}
      >
        {children}
      </div>
    </div>
  );

  function step(event: KeyboardEvent): void {
    const next = stepTo(
      event,
      tabs.findIndex((tab) => tab.id === selected),
      tabs.length,
      "horizontal",
    );
    const tab = next === null ? undefined : tabs[next];
    if (!tab) return;
    onSelect(tab.id);
    document.getElementById(`${base}-${tab.id}`)?.focus();
  }
}
