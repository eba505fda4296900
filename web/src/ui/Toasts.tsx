/** The toasts, in the only place where they can be seen and heard: over the page, or within what lies over it. */
import { CircleAlert, CircleCheck, Info, X } from "lucide-preact";
import { useEffect, useState } from "preact/hooks";
import { dismissToast, type Toast, type ToastKind, toasts } from "../state/toasts";
import { uiTexts } from "../texts";
import { Button } from "./Button";
import { cx } from "./cx";
import { IconButton } from "./IconButton";
import { openModals } from "./openModals";
import styles from "./Toasts.module.css";

const ICONS = { success: CircleCheck, error: CircleAlert, info: Info };
const SECONDS: Record<ToastKind, number> = { success: 5, info: 7, error: 14 };

/** For the shell. */
export function Toasts() {
  return openModals.value.length ? null : <ToastRegion />;
}

/** For what lies over the shell. */
export function ToastRegion() {
  const shown = toasts.value;
  return (
    <section class={styles.region} aria-label={uiTexts.notifications}>
      <div role="status">
        {shown.map((toast) => toast.kind !== "error" && <OneToast key={toast.id} toast={toast} />)}
      </div>
      <div role="alert">
        {shown.map((toast) => toast.kind === "error" && <OneToast key={toast.id} toast={toast} />)}
      </div>
    </section>
  );
}

function OneToast({ toast }: { toast: Toast }) {
  const [held, setHeld] = useState(false);
  const Icon = ICONS[toast.kind];

  useEffect(() => {
    if (held) return;
    const timer = setTimeout(() => dismissToast(toast.id), SECONDS[toast.kind] * 1000);
    return () => clearTimeout(timer);
  }, [held, toast.id, toast.kind]);

  return (
    <div
      class={cx(styles.toast, styles[toast.kind])}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocusIn={() => setHeld(true)}
      onFocusOut={() => setHeld(false)}
    >
      <Icon class={styles.icon ?? ""} size={17} aria-hidden="true" />
      <p class={styles.text}>
        {toast.message}
        {toast.times > 1 && <span class={styles.times}> {uiTexts.times(toast.times)}</span>}
      </p>
      {toast.action && (
        <Button
          size="s"
          onClick={() => {
            dismissToast(toast.id);
            toast.action?.run();
          }}
        >
          {toast.action.label}
        </Button>
      )}
      <IconButton icon={X} size="s" label={uiTexts.dismiss} onClick={() => dismissToast(toast.id)} />
    </div>
  );
}
