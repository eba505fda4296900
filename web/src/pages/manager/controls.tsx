/** Enabling, disabling and restarting: what is under way shows, and what failed goes back to where it was. */
import { useComputed } from "@preact/signals";
import { RotateCw } from "lucide-preact";
import type { Plugin } from "../../api/types";
import { act, type PluginAction, pendingActions } from "../../state/actions";
import { detailsTexts, managerTexts } from "../../texts";
import { Button } from "../../ui/Button";
import { IconButton } from "../../ui/IconButton";
import { Switch } from "../../ui/Switch";

/** What is being done to this plugin just now. */
export function usePending(id: string): PluginAction | undefined {
  return useComputed(() => pendingActions.value.get(id)).value;
}

export function EnabledSwitch(props: { plugin: Plugin; label: string; showLabel?: boolean }) {
  const { plugin, label, showLabel = false } = props;
  const pending = usePending(plugin.id);
  const checked = pending === "enable" || (pending !== "disable" && plugin.enabled);
  return (
    <Switch
      checked={checked}
      label={label}
      showLabel={showLabel}
      busy={pending !== undefined}
      onChange={(enabled) => void act(plugin, enabled ? "enable" : "disable")}
    />
  );
}

export function RestartIcon({ plugin }: { plugin: Plugin }) {
  const pending = usePending(plugin.id);
  return (
    <IconButton
      size="s"
      icon={RotateCw}
      label={managerTexts.restart(plugin.name)}
      disabled={!plugin.enabled}
      busy={pending === "restart"}
      onClick={() => void act(plugin, "restart")}
    />
  );
}

export function RestartButton({ plugin }: { plugin: Plugin }) {
  const pending = usePending(plugin.id);
  return (
    <Button
      size="s"
      icon={RotateCw}
      disabled={!plugin.enabled}
      busy={pending === "restart"}
      onClick={() => void act(plugin, "restart")}
    >
      {detailsTexts.restart}
    </Button>
  );
}
