/** What one fills in: a label, a control, a hint, and what is wrong with it. */
import { Eye, EyeOff, Search, X } from "lucide-preact";
import type {
  ComponentChildren,
  InputHTMLAttributes,
  Ref,
  SelectHTMLAttributes,
  TextareaHTMLAttributes,
} from "preact";
import { useRef, useState } from "preact/hooks";
import { uiTexts } from "../texts";
import { cx } from "./cx";
import styles from "./Field.module.css";
import { IconButton } from "./IconButton";
import { useId } from "./useId";

/** To be spread on the control. */
export interface ControlProps {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": true | undefined;
}

export interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  /** What is wrong, and how to put it right. */
  error?: string | undefined;
  children: (control: ControlProps) => ComponentChildren;
}

export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const control: ControlProps = {
    id,
    "aria-describedby": hint || error ? `${id}-more` : undefined,
    "aria-invalid": error ? true : undefined,
  };
  return (
    <div class={styles.field}>
      <label class={styles.label} for={id}>
        {label}
      </label>
      {children(control)}
      {(hint || error) && (
        <div class={styles.more} id={`${id}-more`}>
          {error && <p class={styles.error}>{error}</p>}
          {hint && <p>{hint}</p>}
        </div>
      )}
    </div>
  );
}

type InputProps = InputHTMLAttributes<HTMLInputElement> & { inputRef?: Ref<HTMLInputElement> };

export function Input({ inputRef, class: className, ...rest }: InputProps) {
  return <input {...rest} ref={inputRef} class={cx(styles.control, className as string | undefined)} />;
}

export function Select(props: SelectHTMLAttributes<HTMLSelectElement>) {
  return <select {...props} class={cx(styles.control, styles.select)} />;
}

type AreaProps = TextareaHTMLAttributes<HTMLTextAreaElement> & {
  mono?: boolean;
  areaRef?: Ref<HTMLTextAreaElement> | undefined;
};

export function TextArea({ mono, areaRef, ...rest }: AreaProps) {
  return <textarea {...rest} ref={areaRef} class={cx(styles.control, styles.area, mono && styles.mono)} />;
}

export function PasswordInput(props: InputProps) {
  const [shown, setShown] = useState(false);
  return (
    <div class={styles.with}>
      <Input
        {...props}
        type={shown ? "text" : "password"}
        class={styles.roomAtEnd}
        autocapitalize="off"
        spellcheck={false}
      />
      <span class={styles.end}>
        <IconButton
          size="s"
          icon={shown ? EyeOff : Eye}
          label={shown ? uiTexts.hidePassword : uiTexts.showPassword}
          onClick={() => setShown(!shown)}
        />
      </span>
    </div>
  );
}

export interface SearchInputProps {
  label: string;
  value: string;
  onSearch: (value: string) => void;
  placeholder?: string;
}

/** Its label is heard; the placeholder is seen. */
export function SearchInput({ label, value, onSearch, placeholder = label }: SearchInputProps) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <div class={styles.with}>
      <Search class={styles.start ?? ""} size={15} aria-hidden="true" />
      <Input
        inputRef={input}
        type="search"
        class={cx(styles.roomAtStart, styles.roomAtEnd)}
        aria-label={label}
        placeholder={placeholder}
        autocomplete="off"
        spellcheck={false}
        value={value}
        onInput={(event) => onSearch(event.currentTarget.value)}
      />
      {value && (
        <span class={styles.end}>
          <IconButton
            size="s"
            icon={X}
            label={uiTexts.clear}
            onClick={() => {
              onSearch("");
              input.current?.focus();
            }}
          />
        </span>
      )}
    </div>
  );
}
