/** What there is to see of a plugin that is not up: disabled, on its way, or crashed. */
import { Power, PowerOff, RotateCw, ScrollText } from "lucide-preact";
import type { Plugin } from "../../api/types";
import { clock } from "../../format";
import { act, pendingActions } from "../../state/actions";
import { isAdmin } from "../../state/session";
import { pluginTexts } from "../../texts";
import { Button } from "../../ui/Button";
import { Empty } from "../../ui/Empty";
import { ErrorPanel } from "../../ui/ErrorPanel";
import { now, RelativeTime } from "../../ui/RelativeTime";
import { Spinner } from "../../ui/Spinner";
import { openLogs } from "../logs/open";
import { LastLines } from "./LastLines";
import styles from "./NotRunning.module.css";

export function Disabled({ plugin }: { plugin: Plugin }) {
  const busy = pendingActions.value.has(plugin.id);
  return (
    <div class={styles.place}>
      {plugin.problem && <ErrorPanel title={pluginTexts.stoppedBecause} error={plugin.problem} />}
      <Empty icon={PowerOff} title={pluginTexts.disabled(plugin.name)}>
        {isAdmin.value ? (
          <>
            <p>{pluginTexts.enableHint}</p>
            <div class={styles.actions}>
              <Button variant="primary" icon={Power} busy={busy} onClick={() => void act(plugin, "enable")}>
                {pluginTexts.enable}
              </Button>
              <LogsButton id={plugin.id} />
            </div>
          </>
        ) : (
          <p>{pluginTexts.askForEnabling}</p>
        )}
      </Empty>
    </div>
  );
}

/** Before it is up for the first time. */
export function Waiting({ plugin }: { plugin: Plugin }) {
  return (
    <div class={styles.waiting} role="status">
      <Spinner size={20} />
      <p class={styles.waitingTitle}>{pluginTexts.starting(plugin.name)}</p>
      <p>{pluginTexts.startingHint}</p>
    </div>
  );
}

/** Over a view that stays: its plugin is about to be back, or does not answer. */
export function Strip({ text, busy }: { text: string; busy: boolean }) {
  return (
    <p class={styles.strip} role="status">
      {busy && <Spinner size={14} />}
      {text}
    </p>
  );
}

export function Crashed({ plugin }: { plugin: Plugin }) {
  const { last_exit: exit, consecutive_crashes: crashes } = plugin;
  const busy = pendingActions.value.has(plugin.id);
  return (
    <div class={styles.place}>
      <ErrorPanel
        title={pluginTexts.crashed(plugin.name)}
        error={plugin.problem ?? exit?.detail ?? pluginTexts.noReason}
        hint={isAdmin.value ? undefined : pluginTexts.comesBack}
      >
        {isAdmin.value && (
          <>
            <Button size="s" icon={RotateCw} busy={busy} onClick={() => void act(plugin, "restart")}>
              {pluginTexts.restartNow}
            </Button>
            <LogsButton id={plugin.id} small />
          </>
        )}
      </ErrorPanel>
      <dl class={styles.facts}>
        <div>
          <dt>{pluginTexts.nextStart}</dt>
          <dd>
            <NextStart plugin={plugin} />
          </dd>
        </div>
        <div>
          <dt>{pluginTexts.crashesInARow}</dt>
          <dd>{crashes}</dd>
        </div>
        {exit && (
          <div>
            <dt>{pluginTexts.lastExit}</dt>
            <dd>
              {pluginTexts.exited(exit.code, exit.signal)}, <RelativeTime time={exit.at} />
            </dd>
          </div>
        )}
      </dl>
      {isAdmin.value && <LastLines plugin={plugin} />}
    </div>
  );
}

function NextStart({ plugin: { state, next_restart_at } }: { plugin: Plugin }) {
  if (state !== "backoff" || !next_restart_at) return <>{pluginTexts.startsNow}</>;
  const seconds = (Date.parse(next_restart_at) - now.value) / 1000;
  return <>{seconds > 0 ? pluginTexts.startsIn(clock(seconds)) : pluginTexts.startsNow}</>;
}

function LogsButton({ id, small }: { id: string; small?: boolean }) {
  return (
    <Button size={small ? "s" : "m"} icon={ScrollText} onClick={() => openLogs(id)}>
      {pluginTexts.logs}
    </Button>
  );
}
