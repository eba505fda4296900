/** A stored value to look at: JSON is formatted. */
import { useMemo } from "preact/hooks";
import { bytes } from "../../../format";
import { storageTexts } from "../../../texts";
import { Badge } from "../../../ui/Badge";
import { CopyButton } from "../../../ui/CopyButton";
import { prettyJson } from "./json";
import styles from "./Storage.module.css";

export function Value({ value }: { value: string }) {
  const pretty = useMemo(() => prettyJson(value), [value]);
  const size = useMemo(() => new TextEncoder().encode(value).length, [value]);
  return (
    <div class={styles.value}>
      <div class={styles.valueHead}>
        <Badge>{pretty === null ? storageTexts.text : storageTexts.json}</Badge>
        <span class={styles.size}>{bytes(size)}</span>
        <CopyButton text={value} label={storageTexts.copy} />
      </div>
      {value === "" ? (
        <p class={styles.faint}>{storageTexts.emptyValue}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
        <pre class={styles.pre} tabIndex={0}>
          {pretty ?? value}
        </pre>
      )}
    </div>
  );
}
