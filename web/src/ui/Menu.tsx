/** A button that opens a list of things to do. */
import { Check, EllipsisVertical, type LucideIcon } from "lucide-preact";
import { useRef, useState } from "preact/hooks";
import { cx } from "./cx";
import styles from "./Menu.module.css";
import { stepTo } from "./stepTo";
import { useId } from "./useId";

export interface MenuItem {
  label: string;
  icon?: LucideIcon;
  onSelect: () => void;
  /** Shown apart, in red. */
  danger?: boolean;
  disabled?: boolean;
  /** Of a choice between some: whether this is it. */
  checked?: boolean;
}

export interface MenuProps {
  /** What one hears, and sees as a hint. */
  label: string;
  items: readonly MenuItem[];
  icon?: LucideIcon;
  size?: "s" | "m";
}

export function Menu({ label, items, icon: Icon = EllipsisVertical, size = "m" }: MenuProps) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  // A page may have a hundred menus, of which nobody opens more than a few.
  const [open, setOpen] = useState(false);
  const choice = items.some((item) => item.checked !== undefined);

  function entries(): HTMLButtonElement[] {
    return [...(list.current?.querySelectorAll<HTMLButtonElement>("button:not(:disabled)") ?? [])];
  }

  function place(): void {
    const around = button.current?.getBoundingClientRect();
    const style = list.current?.style;
    if (!around || !style) return;
    const below = around.bottom < innerHeight * 0.6;
    const toTheRight = around.left < innerWidth / 2;
    style.top = below ? `${around.bottom + 4}px` : "auto";
    style.bottom = below ? "auto" : `${innerHeight - around.top + 4}px`;
    style.left = toTheRight ? `${around.left}px` : "auto";
    style.right = toTheRight ? "auto" : `${document.documentElement.clientWidth - around.right}px`;
  }

  function step(event: KeyboardEvent): void {
    const all = entries();
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    const next = stepTo(event, at, all.length, "vertical");
    if (next !== null) all[next]?.focus();
    else if (event.key === "Tab") list.current?.hidePopover();
    else if (event.key.length === 1 && event.key !== " ") {
      const letter = event.key.toLowerCase();
      const turned = [...all.slice(at + 1), ...all.slice(0, at + 1)];
      turned.find((entry) => entry.textContent?.trim().toLowerCase().startsWith(letter))?.focus();
    }
  }

  return (
    <>
      <button
        ref={button}
        type="button"
        class={cx(styles.button, size === "s" && styles.small)}
        aria-label={label}
        aria-haspopup="menu"
        title={label}
        popoverTarget={id}
      >
        <Icon size={size === "s" ? 15 : 17} aria-hidden="true" />
      </button>
      <div
        ref={list}
        id={id}
        popover="auto"
        role="menu"
        tabIndex={-1}
        class={styles.menu}
        aria-label={label}
        onKeyDown={step}
        onBeforeToggle={(event) => {
          if (event.newState !== "open") return;
          place();
          setOpen(true);
        }}
        onToggle={(event) => {
          if (event.newState === "open") entries()[0]?.focus();
          else setOpen(false);
        }}
      >
        {(open ? items : []).map((item) => (
          // biome-ignore lint/a11y/useAriaPropsSupportedByRole: where it is checked or not, its role is that of a choice
          <button
            key={item.label}
            type="button"
            role={item.checked === undefined ? "menuitem" : "menuitemradio"}
            aria-checked={item.checked}
            tabIndex={-1}
            class={cx(styles.item, item.danger && styles.danger)}
            disabled={item.disabled}
            onClick={() => {
              list.current?.hidePopover();
              item.onSelect();
            }}
          >
            {choice && (
              <Check size={15} aria-hidden="true" class={item.checked ? "" : (styles.unchecked ?? "")} />
            )}
            {item.icon && <item.icon size={15} aria-hidden="true" />}
            {item.label}
          </button>
        ))}
      </div>
    </>
  );
}
