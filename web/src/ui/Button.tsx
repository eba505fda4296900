/** A button with a text; with `href` a link that looks like one. */
import type { LucideIcon } from "lucide-preact";
import type { ButtonHTMLAttributes, ComponentChildren, Ref } from "preact";
import { Link } from "wouter-preact";
import styles from "./Button.module.css";
import { cx } from "./cx";
import { Spinner } from "./Spinner";

interface Look {
  variant?: "primary" | "secondary" | "ghost" | "danger";
  size?: "s" | "m";
  icon?: LucideIcon;
  /** As wide as what it stands in. */
  wide?: boolean;
  children: ComponentChildren;
}

type ButtonAttributes = Omit<ButtonHTMLAttributes<HTMLButtonElement>, "size" | "icon" | "class" | "children">;

export interface ButtonProps extends Look, ButtonAttributes {
  /** It keeps its size and its focus, and cannot be pressed. */
  busy?: boolean;
  buttonRef?: Ref<HTMLButtonElement>;
}

export function Button(props: ButtonProps) {
  const { variant, size, icon, wide, children, busy, buttonRef, onClick, type, ...rest } = props;
  return (
    <button
      {...rest}
      ref={buttonRef}
      type={type ?? "button"}
      class={cx(classOf(props), busy && styles.busy)}
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      onClick={(event) => {
        if (busy) event.preventDefault();
        else if (typeof onClick === "function") onClick(event);
      }}
    >
      <Inside icon={icon}>{children}</Inside>
      {busy && <Spinner class={styles.spinner} />}
    </button>
  );
}

export function ButtonLink(props: Look & { href: string }) {
  return (
    <Link href={props.href} class={classOf(props)}>
      <Inside icon={props.icon}>{props.children}</Inside>
    </Link>
  );
}

function Inside({ icon: Icon, children }: { icon: LucideIcon | undefined; children: ComponentChildren }) {
  return (
    <span class={styles.inside}>
      {Icon && <Icon size={16} aria-hidden="true" />}
      {children}
    </span>
  );
}

function classOf({ variant = "secondary", size = "m", wide }: Look): string {
  return cx(styles.button, styles[variant], size === "s" && styles.small, wide && styles.wide);
}
