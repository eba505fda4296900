/** A button that is only an icon; its label is what one hears, and sees as a hint. */
import type { LucideIcon } from "lucide-preact";
import type { ButtonHTMLAttributes, Ref } from "preact";
import { cx } from "./cx";
import styles from "./IconButton.module.css";
import { Spinner } from "./Spinner";

type ButtonAttributes = Omit<
  ButtonHTMLAttributes<HTMLButtonElement>,
  "size" | "icon" | "class" | "children" | "label" | "title" | "aria-label"
>;

export interface IconButtonProps extends ButtonAttributes {
  icon: LucideIcon;
  label: string;
  size?: "s" | "m";
  busy?: boolean;
  /** For a button that is on or off. */
  pressed?: boolean;
  buttonRef?: Ref<HTMLButtonElement>;
}

export function IconButton(props: IconButtonProps) {
  const { icon: Icon, label, size = "m", busy, pressed, buttonRef, onClick, type, ...rest } = props;
  return (
    <button
      {...rest}
      ref={buttonRef}
      type={type ?? "button"}
      class={cx(styles.button, size === "s" && styles.small, pressed && styles.pressed)}
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      onClick={(event) => {
        if (busy) event.preventDefault();
        else if (typeof onClick === "function") onClick(event);
      }}
    >
      {busy ? <Spinner /> : <Icon size={size === "s" ? 15 : 17} aria-hidden="true" />}
    </button>
  );
}
