/** What stands around every page. */
import { Menu as MenuIcon, Search } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { paths } from "../navigation";
import { LogsLayer } from "../pages/logs/LogsLayer";
import { sessionState } from "../state/session";
import { productName, shellTexts } from "../texts";
import { IconButton } from "../ui/IconButton";
import { Later } from "../ui/Later";
import { Modal } from "../ui/Modal";
import { Toasts } from "../ui/Toasts";
import { CommandPalette } from "./CommandPalette";
import { ConnectionBar } from "./ConnectionBar";
import { ErrorBoundary } from "./ErrorBoundary";
import { Logo } from "./Logo";
import { drawerIsOpen, isPhone, paletteIsOpen, sidebarWidth } from "./layout";
import { Routes } from "./Routes";
import styles from "./Shell.module.css";
import { Sidebar } from "./Sidebar";
import { SignInOverlay } from "./SignInOverlay";
import { isPaletteShortcut } from "./shortcut";

export function Shell() {
  const [path] = useLocation();
  const main = useRef<HTMLElement>(null);

  useEffect(() => {
    main.current?.scrollTo(0, 0);
  }, [path]);

  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (!isPaletteShortcut(event)) return;
      event.preventDefault();
      if (sessionState.peek() === "in") paletteIsOpen.value = !paletteIsOpen.peek();
    };
    // Before a plugin's view can take it.
    window.addEventListener("keydown", pressed, { capture: true });
    return () => window.removeEventListener("keydown", pressed, { capture: true });
  }, []);

  return (
    <div class={styles.shell}>
      <a class={styles.skip} href="#main">
        {shellTexts.skip}
      </a>
      {isPhone.value ? (
        <TopBar />
      ) : (
        <div class={styles.side}>
          <Sidebar narrow={sidebarWidth.value === "narrow"} />
        </div>
      )}
      <main class={styles.main} id="main" ref={main} tabIndex={-1}>
        <ErrorBoundary key={path}>
          <Later name="page">{() => <Routes />}</Later>
        </ErrorBoundary>
      </main>
      <ConnectionBar />
      <Toasts />
      <LogsLayer />
      {paletteIsOpen.value && <CommandPalette />}
      {sessionState.value === "ended" && <SignInOverlay />}
    </div>
  );
}

function TopBar() {
  return (
    <header class={styles.bar}>
      <IconButton
        icon={MenuIcon}
        label={shellTexts.menu}
        onClick={() => {
          drawerIsOpen.value = true;
        }}
      />
      <Link href={paths.home} class={styles.brand} aria-label={productName}>
        <Logo size={22} />
        {productName}
      </Link>
      <IconButton
        icon={Search}
        label={shellTexts.searchAll}
        onClick={() => {
          paletteIsOpen.value = true;
        }}
      />
      {drawerIsOpen.value && (
        <Modal
          label={shellTexts.menu}
          class={styles.drawer}
          onClose={() => {
            drawerIsOpen.value = false;
          }}
        >
          <Sidebar drawer />
        </Modal>
      )}
    </header>
  );
}
