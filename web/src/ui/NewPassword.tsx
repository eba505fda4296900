/** A password that somebody makes: the rules beforehand, those that hold ticked, and one made up for who likes. */
import { Check, Dices, Dot } from "lucide-preact";
import type { Ref } from "preact";
import { useState } from "preact/hooks";
import { madeUpPassword, PASSWORD_RULES, passwordRules } from "../password";
import utilities from "../styles/utilities.module.css";
import { passwordTexts } from "../texts";
import { Button } from "./Button";
import { CopyButton } from "./CopyButton";
import { cx } from "./cx";
import { Field, PasswordInput } from "./Field";
import styles from "./NewPassword.module.css";

export interface NewPasswordProps {
  label: string;
  value: string;
  /** `madeUp`: whether it is one that nobody has thought of. */
  onChange: (value: string, madeUp: boolean) => void;
  error?: string | undefined;
  inputRef?: Ref<HTMLInputElement>;
}

export function NewPassword({ label, value, onChange, error, inputRef }: NewPasswordProps) {
  const [madeUp, setMadeUp] = useState("");
  return (
    <div class={styles.whole}>
      <Field label={label} error={error} hint={<Rules password={value} />}>
        {(control) => (
          <PasswordInput
            {...control}
            inputRef={inputRef}
            name="new-password"
            autocomplete="new-password"
            value={value}
            onInput={(event) => onChange(event.currentTarget.value, false)}
          />
        )}
      </Field>
      <div class={styles.offer}>
        <Button
          size="s"
          icon={Dices}
          onClick={() => {
            const made = madeUpPassword();
            setMadeUp(made);
            onChange(made, true);
          }}
        >
          {passwordTexts.makeUp}
        </Button>
        <span role="status" class={styles.made}>
          {madeUp !== "" && madeUp === value && (
            <>
              <span class={utilities.hidden}>{passwordTexts.madeUp}</span>
              <code class={utilities.mono}>{madeUp}</code>
            </>
          )}
        </span>
        {madeUp !== "" && madeUp === value && <CopyButton text={madeUp} label={passwordTexts.copy} />}
      </div>
    </div>
  );
}

function Rules({ password }: { password: string }) {
  return (
    <span class={styles.rules}>
      {PASSWORD_RULES.map((rule) => {
        const holds = passwordRules[rule](password);
        const Icon = holds ? Check : Dot;
        return (
          <span key={rule} class={cx(styles.rule, holds && styles.holds)}>
            <Icon size={14} aria-hidden="true" />
            {passwordTexts.rules[rule]}
            {holds && <span class={utilities.hidden}>{passwordTexts.holds}</span>}
          </span>
        );
      })}
    </span>
  );
}
