/** Where one can go: the pages, and the enabled plugins with how they are. */
import {
  Activity,
  Blocks,
  LogOut,
  type LucideIcon,
  PanelLeftClose,
  PanelLeftOpen,
  Search,
  SunMoon,
  Users,
  X,
} from "lucide-preact";
import { Link, useLocation } from "wouter-preact";
import type { Plugin } from "../api/types";
import { paths } from "../navigation";
import { enabledPlugins, pluginsLoaded } from "../state/plugins";
import { isAdmin, signOut, user } from "../state/session";
import { THEMES, themeChoice } from "../state/theme";
import { showError } from "../state/toasts";
import utilities from "../styles/utilities.module.css";
import { productName, shellTexts, uiTexts } from "../texts";
import { cx } from "../ui/cx";
import { Dot, healthOf } from "../ui/Dot";
import { Face } from "../ui/Face";
import { IconButton } from "../ui/IconButton";
import { Later } from "../ui/Later";
import { Menu } from "../ui/Menu";
import { PluginIcon } from "../ui/PluginIcon";
import { Skeleton } from "../ui/Skeleton";
import { Logo } from "./Logo";
import { drawerIsOpen, paletteIsOpen, sidebarWidth } from "./layout";
import styles from "./Sidebar.module.css";
import { paletteShortcut } from "./shortcut";

/** `narrow`: icons only. `drawer`: it can be closed, not collapsed. */
export function Sidebar({ narrow, drawer }: { narrow?: boolean; drawer?: boolean }) {
  return (
    <nav class={cx(styles.sidebar, narrow && styles.narrow)} aria-label={shellTexts.navigation}>
      <div class={styles.top}>
        <Link href={paths.home} class={styles.brand} aria-label={productName}>
          <Logo />
          <span class={styles.name}>{productName}</span>
        </Link>
        {drawer ? (
          <IconButton icon={X} label={uiTexts.close} onClick={closeDrawer} />
        ) : (
          <IconButton
            icon={narrow ? PanelLeftOpen : PanelLeftClose}
            label={narrow ? shellTexts.expand : shellTexts.collapse}
            onClick={() => {
              sidebarWidth.value = narrow ? "wide" : "narrow";
            }}
          />
        )}
      </div>
      <button
        type="button"
        class={styles.search}
        aria-label={narrow ? shellTexts.searchAll : undefined}
        title={`${shellTexts.searchAll} (${paletteShortcut})`}
        onClick={() => {
          closeDrawer();
          paletteIsOpen.value = true;
        }}
      >
        <Search size={15} aria-hidden="true" />
        <span class={styles.name}>{shellTexts.search}</span>
        {/* biome-ignore lint/a11y/noAriaHiddenOnFocusable: it is no control */}
        <kbd class={styles.keys} aria-hidden="true">
          {paletteShortcut}
        </kbd>
      </button>
      <div class={styles.places}>
        <ul class={styles.list}>
          <Entry
            href={paths.plugins}
            icon={Blocks}
            text={isAdmin.value ? shellTexts.manager : shellTexts.overview}
          />
          <Entry href={paths.events} icon={Activity} text={shellTexts.events} />
          {isAdmin.value && <Entry href={paths.users} icon={Users} text={shellTexts.users} />}
        </ul>
        <p class={styles.heading} aria-hidden="true">
          {shellTexts.plugins}
        </p>
        <Later name="plugins">{() => <PluginEntries />}</Later>
      </div>
      <Foot />
    </nav>
  );
}

function closeDrawer(): void {
  drawerIsOpen.value = false;
}

function Entry({ href, icon: Icon, text }: { href: string; icon: LucideIcon; text: string }) {
  const [path] = useLocation();
  return (
    <li>
      <Link
        href={href}
        class={styles.entry}
        title={text}
        aria-current={path === href ? "page" : undefined}
        onClick={closeDrawer}
      >
        <span class={styles.icon}>
          <Icon size={17} aria-hidden="true" />
        </span>
        <span class={styles.name}>{text}</span>
      </Link>
    </li>
  );
}

function PluginEntries() {
  if (!pluginsLoaded.value) {
    return (
      <div class={styles.list}>
        <Skeleton height="2rem" count={3} />
      </div>
    );
  }
  const plugins = enabledPlugins.value;
  if (!plugins.length) return <p class={styles.none}>{shellTexts.noPlugins}</p>;
  return (
    <ul class={styles.list} aria-label={shellTexts.plugins}>
      {plugins.map((plugin) => (
        <PluginEntry key={plugin.id} plugin={plugin} />
      ))}
    </ul>
  );
}

function PluginEntry({ plugin }: { plugin: Plugin }) {
  const [path] = useLocation();
  const href = paths.plugin(plugin.id);
  const current = path === href || path.startsWith(`${href}/`);
  const { tone, label } = healthOf(plugin);
  return (
    <li>
      <Link
        href={href}
        class={styles.entry}
        title={plugin.name}
        aria-current={current ? "page" : undefined}
        onClick={closeDrawer}
      >
        <span class={styles.icon}>
          <PluginIcon plugin={plugin} size="s" />
        </span>
        <span class={styles.name} dir="auto">
          {plugin.name}
        </span>
        <Dot tone={tone} label={label} />
      </Link>
    </li>
  );
}

function Foot() {
  const [path] = useLocation();
  const name = user.value?.display_name || user.value?.username || "";
  return (
    <div class={styles.foot}>
      <Link
        href={paths.account}
        class={cx(styles.entry, styles.account)}
        title={shellTexts.accountOf(name)}
        aria-current={path === paths.account ? "page" : undefined}
        onClick={closeDrawer}
      >
        <Face name={name} />
        <span class={utilities.hidden}>{shellTexts.account}</span>
        <span class={styles.name}>{name}</span>
      </Link>
      <Menu
        label={shellTexts.theme}
        icon={SunMoon}
        items={THEMES.map((theme) => ({
          label: shellTexts.themes[theme],
          checked: themeChoice.value === theme,
          onSelect: () => {
            themeChoice.value = theme;
          },
        }))}
      />
      <IconButton icon={LogOut} label={shellTexts.signOut} onClick={() => signOut().catch(showError)} />
    </div>
  );
}
