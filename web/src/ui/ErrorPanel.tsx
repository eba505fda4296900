/** What went wrong, and what one can do about it. */
import { RotateCw, TriangleAlert } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { messageOf } from "../api/problem";
import { uiTexts } from "../texts";
import { Button } from "./Button";
import styles from "./ErrorPanel.module.css";

export interface ErrorPanelProps {
  title: string;
  /** Whatever was thrown, or a sentence. */
  error?: unknown;
  /** What one can do. */
  hint?: string;
  onRetry?: () => void;
  /** Long, for who wants to know: shown folded, as it is. */
  details?: string | undefined;
  /** More buttons. */
  children?: ComponentChildren;
}

export function ErrorPanel({ title, error, hint, onRetry, details, children }: ErrorPanelProps) {
  return (
    <div class={styles.panel} role="alert">
      <TriangleAlert class={styles.icon ?? ""} size={18} aria-hidden="true" />
      <div class={styles.inside}>
        <p class={styles.title}>{title}</p>
        {error !== undefined && <p class={styles.text}>{messageOf(error)}</p>}
        {hint && <p class={styles.text}>{hint}</p>}
        {details && (
          <details class={styles.details}>
            <summary>{uiTexts.details}</summary>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
            <pre tabIndex={0}>{details}</pre>
          </details>
        )}
        {(onRetry || children) && (
          <div class={styles.actions}>
            {onRetry && (
              <Button size="s" icon={RotateCw} onClick={onRetry}>
                {uiTexts.retry}
              </Button>
            )}
            {children}
          </div>
        )}
      </div>
    </div>
  );
}
