/** One of a few, all of them to be seen. */
import styles from "./Choice.module.css";
import { cx } from "./cx";
import { useId } from "./useId";

export interface ChoiceOption<Id extends string> {
  id: Id;
  label: string;
  /** What it means. */
  hint?: string;
}

export interface ChoiceProps<Id extends string> {
  label: string;
  options: readonly ChoiceOption<Id>[];
  selected: Id;
  onSelect: (id: Id) => void;
  /** Beside each other, for short ones. */
  inline?: boolean;
}

export function Choice<Id extends string>({ label, options, selected, onSelect, inline }: ChoiceProps<Id>) {
  const name = useId();
  return (
    <fieldset class={styles.choice}>
      <legend class={styles.legend}>{label}</legend>
      <div class={cx(styles.options, inline && styles.inline)}>
        {options.map((option) => (
          <label key={option.id} class={styles.option}>
            <input
              type="radio"
              class={styles.radio}
              name={name}
              checked={option.id === selected}
              aria-describedby={option.hint && `${name}-${option.id}`}
              onChange={() => onSelect(option.id)}
            />
            <span class={styles.text}>
              <span class={styles.label}>{option.label}</span>
              {option.hint && (
                <span class={styles.hint} id={`${name}-${option.id}`} aria-hidden="true">
                  {option.hint}
                </span>
              )}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
