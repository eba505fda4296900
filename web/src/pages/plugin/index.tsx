/** One plugin's page: its own view, or why there is none just now. */
import { CircleHelp, Info, Power, PowerOff, RotateCw, ScrollText } from "lucide-preact";
import { useRef } from "preact/hooks";
import type { Plugin } from "../../api/types";
import { navigate, paths } from "../../navigation";
import { act } from "../../state/actions";
import { pluginOf, pluginsFailure, pluginsLoaded, refreshPlugins } from "../../state/plugins";
import { isAdmin } from "../../state/session";
import { errorTexts, pluginTexts, uiTexts } from "../../texts";
import { ButtonLink } from "../../ui/Button";
import { Dot, healthOf } from "../../ui/Dot";
import { Empty } from "../../ui/Empty";
import { ErrorPanel } from "../../ui/ErrorPanel";
import { IconButton } from "../../ui/IconButton";
import { Menu } from "../../ui/Menu";
import { Page } from "../../ui/Page";
import { PluginIcon } from "../../ui/PluginIcon";
import { Spinner } from "../../ui/Spinner";
import { openLogs } from "../logs/open";
import { Crashed, Disabled, Strip, Waiting } from "./NotRunning";
import { View } from "./View";

export default function PluginPage({ id }: { id: string }) {
  const plugin = pluginOf(id).value;
  if (plugin) return <Known plugin={plugin} />;
  if (pluginsLoaded.value) return <Unknown id={id} />;
  return (
    <Page title={id}>
      {pluginsFailure.value ? (
        <ErrorPanel
          title={uiTexts.notLoaded}
          error={pluginsFailure.value}
          onRetry={() => void refreshPlugins()}
        />
      ) : (
        <div role="status" aria-label={uiTexts.loading}>
          <Spinner size={20} />
        </div>
      )}
    </Page>
  );
}

function Unknown({ id }: { id: string }) {
  return (
    <Page title={pluginTexts.unknown}>
      <Empty icon={CircleHelp} title={pluginTexts.unknownHint(id)}>
        <ButtonLink href={paths.plugins}>{errorTexts.toPlugins}</ButtonLink>
      </Empty>
    </Page>
  );
}

function Known({ plugin }: { plugin: Plugin }) {
  const heading = (
    <>
      <PluginIcon plugin={plugin} />
      {plugin.name}
      <Dot tone={healthOf(plugin).tone} />
    </>
  );
  return (
    <Page
      title={plugin.name}
      heading={heading}
      actions={isAdmin.value && <Actions plugin={plugin} />}
      width="bleed"
    >
      {plugin.enabled ? <Enabled plugin={plugin} /> : <Disabled plugin={plugin} />}
    </Page>
  );
}

/** Once it was up its view stays, whatever happens to the process, until one leaves. */
function Enabled({ plugin }: { plugin: Plugin }) {
  const up = plugin.state === "running";
  const wasUp = useRef(false);
  wasUp.current ||= up;
  const crashed = !up && (plugin.state === "backoff" || plugin.consecutive_crashes > 0);
  return (
    <>
      {crashed && <Crashed plugin={plugin} />}
      {!up && !crashed && !wasUp.current && <Waiting plugin={plugin} />}
      {!up && !crashed && wasUp.current && <Strip text={pluginTexts.restarting(plugin.name)} busy />}
      {up && plugin.health !== "healthy" && (
        <Strip text={plugin.problem ?? pluginTexts.unhealthy(plugin.name)} busy={false} />
      )}
      {wasUp.current && <View plugin={plugin} covered={crashed} />}
    </>
  );
}

function Actions({ plugin }: { plugin: Plugin }) {
  const { enabled } = plugin;
  return (
    <>
      <IconButton icon={ScrollText} label={pluginTexts.logs} onClick={() => openLogs(plugin.id)} />
      <Menu
        label={pluginTexts.actions}
        items={[
          {
            label: pluginTexts.details,
            icon: Info,
            onSelect: () => navigate(`${paths.plugins}?plugin=${encodeURIComponent(plugin.id)}`),
          },
          ...(enabled
            ? [
                { label: pluginTexts.restart, icon: RotateCw, onSelect: () => void act(plugin, "restart") },
                { label: pluginTexts.disable, icon: PowerOff, onSelect: () => void act(plugin, "disable") },
              ]
            : [{ label: pluginTexts.enable, icon: Power, onSelect: () => void act(plugin, "enable") }]),
        ]}
      />
    </>
  );
}
