/** A text in which what was searched for is marked. */
import type { VNode } from "preact";
import { findAll, type Range } from "../match";
import styles from "./Highlight.module.css";

/** `ranges` where they are known, else every place of `query`. */
export function Highlight(props: { text: string; query?: string; ranges?: readonly Range[] }) {
  const { text, query = "", ranges = findAll(text, query) } = props;
  if (!ranges.length) return <>{text}</>;
  const parts: (string | VNode)[] = [];
  let at = 0;
  for (const [start, end] of ranges) {
    parts.push(
      text.slice(at, start),
      <mark key={start} class={styles.mark}>
        {text.slice(start, end)}
      </mark>,
    );
    at = end;
  }
  return (
    <>
      {parts}
      {text.slice(at)}
    </>
  );
}
