/** What the command palette offers, and which of it a search finds. */
import {
  Activity,
  Blocks,
  LogOut,
  type LucideIcon,
  Monitor,
  Moon,
  Power,
  PowerOff,
  RotateCw,
  ScrollText,
  Sun,
  UserRound,
  Users,
} from "lucide-preact";
import type { Plugin } from "../api/types";
import { fuzzyMatch, type Range } from "../match";
import { navigate, paths } from "../navigation";
import { act } from "../state/actions";
import { signOut } from "../state/session";
import { THEMES, themeChoice } from "../state/theme";
import { showError } from "../state/toasts";
import { paletteTexts, shellTexts } from "../texts";

export type CommandGroup = keyof typeof paletteTexts.groups;

export interface Command {
  id: string;
  group: CommandGroup;
  label: string;
  icon: LucideIcon | Plugin;
  /** Offered only to who searches for it. */
  onlyFound?: boolean;
  run: () => void;
}

export interface FoundCommand {
  command: Command;
  ranges: readonly Range[];
}

const MOST = 50;
const THEME_ICONS = { system: Monitor, light: Sun, dark: Moon };

export function allCommands(plugins: readonly Plugin[], admin: boolean): Command[] {
  const page = (path: string, label: string, icon: LucideIcon): Command => ({
    id: path,
    group: "page",
    label,
    icon,
    run: () => navigate(path),
  });
  return [
    ...plugins.filter((plugin) => plugin.enabled).map(view),
    page(paths.plugins, admin ? shellTexts.manager : shellTexts.overview, Blocks),
    page(paths.events, shellTexts.events, Activity),
    ...(admin ? [page(paths.users, shellTexts.users, Users)] : []),
    page(paths.account, shellTexts.account, UserRound),
    ...(admin ? plugins.flatMap(actionsOn) : []),
    ...THEMES.map(
      (theme): Command => ({
        id: `theme-${theme}`,
        group: "action",
        label: paletteTexts.theme(shellTexts.themes[theme]),
        icon: THEME_ICONS[theme],
        run: () => {
          themeChoice.value = theme;
        },
      }),
    ),
    {
      id: "sign-out",
      group: "action",
      label: paletteTexts.signOut,
      icon: LogOut,
      run: () => void signOut().catch(showError),
    },
  ];
}

function view(plugin: Plugin): Command {
  return {
    id: `plugin-${plugin.id}`,
    group: "plugin",
    label: plugin.name,
    icon: plugin,
    run: () => navigate(paths.plugin(plugin.id)),
  };
}

function actionsOn(plugin: Plugin): Command[] {
  const action = (id: string, label: string, icon: LucideIcon, run: () => void): Command => ({
    id: `${id}-${plugin.id}`,
    group: "action",
    label,
    icon,
    onlyFound: true,
    run,
  });
  const { name } = plugin;
  const logs = action("logs", paletteTexts.logs(name), ScrollText, () => navigate(paths.logs(plugin.id)));
  if (!plugin.enabled) {
    return [logs, action("enable", paletteTexts.enable(name), Power, () => void act(plugin, "enable"))];
  }
  return [
    logs,
    action("restart", paletteTexts.restart(name), RotateCw, () => void act(plugin, "restart")),
    action("disable", paletteTexts.disable(name), PowerOff, () => void act(plugin, "disable")),
  ];
}

/** Best first; without a query all that are offered unasked, as they come. */
export function findCommands(commands: readonly Command[], query: string): FoundCommand[] {
  if (!query.trim()) {
    return commands.filter((command) => !command.onlyFound).map((command) => ({ command, ranges: [] }));
  }
  return commands
    .flatMap((command) => {
      const match = fuzzyMatch(query, command.label);
      return match ? [{ command, ranges: match.ranges, score: match.score }] : [];
    })
    .sort((one, other) => other.score - one.score)
    .slice(0, MOST);
}
