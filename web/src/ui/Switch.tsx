/** On or off, at once. While `busy` it shows where it is going. */
import { cx } from "./cx";
import { Spinner } from "./Spinner";
import styles from "./Switch.module.css";

export interface SwitchProps {
  checked: boolean;
  onChange: (checked: boolean) => void;
  /** What one hears; also the text beside it where `showLabel` is set. */
  label: string;
  showLabel?: boolean;
  busy?: boolean;
  disabled?: boolean;
}

export function Switch({ checked, onChange, label, showLabel, busy, disabled }: SwitchProps) {
  return (
    <button
      type="button"
      role="switch"
      class={styles.switch}
      aria-checked={checked}
      aria-label={label}
      aria-busy={busy || undefined}
      aria-disabled={busy || undefined}
      disabled={disabled}
      onClick={() => {
        if (!busy) onChange(!checked);
      }}
    >
      <span class={cx(styles.track, checked && styles.on)}>
        <span class={styles.thumb}>{busy && <Spinner size={10} />}</span>
      </span>
      {showLabel && label}
    </button>
  );
}
