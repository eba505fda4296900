/** What every page stands in: its title, its heading (which gets the focus after a navigation), its width. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { productName } from "../texts";
import { cx } from "./cx";
import styles from "./Page.module.css";

export interface PageProps {
  /** Of the tab; also the heading, unless `heading` is given. */
  title: string;
  heading?: ComponentChildren;
  /** At the right of the heading. */
  actions?: ComponentChildren;
  /** `text` for forms, `wide` for cards and tables, `fill` for what takes all the room and scrolls by itself, `bleed` where that goes to the edges. */
  width?: "text" | "wide" | "fill" | "bleed";
  children: ComponentChildren;
}

/** The path of the page whose heading had the focus last; null for the first page, which does not take it. */
let shownPath: string | null = null;

export function Page({ title, heading, actions, width = "wide", children }: PageProps) {
  const head = useRef<HTMLHeadingElement>(null);

  useEffect(() => {
    document.title = `${title} · ${productName}`;
  }, [title]);

  useEffect(() => {
    if (shownPath !== null && shownPath !== location.pathname) head.current?.focus({ preventScroll: true });
    shownPath = location.pathname;
  }, []);

  return (
    <div class={cx(styles.page, styles[width])}>
      <header class={styles.head}>
        <h1 class={styles.title} ref={head} tabIndex={-1}>
          {heading ?? title}
        </h1>
        {actions && <div class={styles.actions}>{actions}</div>}
      </header>
      {children}
    </div>
  );
}
