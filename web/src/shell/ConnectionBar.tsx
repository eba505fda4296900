/** Says calmly that the core is away, and when it is tried again. Nothing moves for it. */
import { connection } from "../state/connection";
import { sessionState } from "../state/session";
import { connectionTexts } from "../texts";
import { Button } from "../ui/Button";
import { now } from "../ui/RelativeTime";
import { Spinner } from "../ui/Spinner";
import styles from "./ConnectionBar.module.css";

export function ConnectionBar() {
  const current = connection.value;
  // Whoever has to sign in first knows why nothing happens.
  const lost = current.state === "lost" && sessionState.value === "in" ? current : null;
  return (
    <section class={styles.place} aria-label={connectionTexts.label}>
      <div role="status">
        {lost && (
          <div class={styles.bar} title={connectionTexts.lostHint}>
            <Spinner size={14} />
            {connectionTexts.lost}
          </div>
        )}
      </div>
      {lost && (
        <div class={styles.more}>
          {lost.retryAt > 0 && <Countdown until={lost.retryAt} />}
          <Button size="s" variant="ghost" onClick={lost.retry}>
            {connectionTexts.now}
          </Button>
        </div>
      )}
    </section>
  );
}

function Countdown({ until }: { until: number }) {
  const seconds = Math.max(Math.ceil((until - now.value) / 1000), 0);
  return <span class={styles.countdown}>{connectionTexts.retryIn(seconds)}</span>;
}
