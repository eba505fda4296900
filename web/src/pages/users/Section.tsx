/** What a tab shows: what it is about, what can be added, and the list, in whatever state it is. */
import type { ComponentChildren } from "preact";
import { uiTexts } from "../../texts";
import { Card } from "../../ui/Card";
import { ErrorPanel } from "../../ui/ErrorPanel";
import { Skeleton } from "../../ui/Skeleton";
import type { Loaded } from "../../ui/useLoad";
import styles from "./Section.module.css";

export interface SectionProps<T> {
  intro: string;
  action: ComponentChildren;
  list: Loaded<T>;
  /** Once it is loaded. */
  children: (data: T) => ComponentChildren;
}

export function Section<T>({ intro, action, list, children }: SectionProps<T>) {
  return (
    <div class={styles.section}>
      <div class={styles.head}>
        <p class={styles.intro}>{intro}</p>
        {action}
      </div>
      {list.error !== undefined && (
        <ErrorPanel title={uiTexts.notLoaded} error={list.error} onRetry={list.reload} />
      )}
      {(list.data !== undefined || list.error === undefined) && (
        <Card flush>
          {list.data === undefined ? (
            <div class={styles.waiting}>
              <Skeleton height="1.25rem" count={4} />
            </div>
          ) : (
            children(list.data)
          )}
        </Card>
      )}
    </div>
  );
}
