/** The value that one types, and how long it is to be kept. */
import { Braces } from "lucide-preact";
import type { Ref } from "preact";
import type { KvSet } from "../../../api/types";
import { storageTexts } from "../../../texts";
import { Button } from "../../../ui/Button";
import { Field, Input, TextArea } from "../../../ui/Field";
import { jsonError, prettyJson } from "./json";
import styles from "./Storage.module.css";

export interface ValueFieldsProps {
  text: string;
  onText: (text: string) => void;
  seconds: string;
  onSeconds: (seconds: string) => void;
  /** Then it is said when it no longer is. */
  wasJson?: boolean;
  error: string;
  areaRef?: Ref<HTMLTextAreaElement>;
}

/** What was typed as the time to live; empty for none. */
export function lifetime(seconds: string): Pick<KvSet, "ttl_seconds"> {
  return seconds.trim() ? { ttl_seconds: Number(seconds) } : {};
}

/** Why it is none; empty where it is one. */
export function lifetimeError(seconds: string): string {
  return !seconds.trim() || Number(seconds) > 0 ? "" : storageTexts.expiresWrong;
}

export function ValueFields(props: ValueFieldsProps) {
  const { text, onText, seconds, onSeconds, wasJson = false, error, areaRef } = props;
  return (
    <>
      <Field
        label={storageTexts.value}
        error={error || undefined}
        hint={<About text={text} wasJson={wasJson} onText={onText} />}
      >
        {(control) => (
          <TextArea
            {...control}
            areaRef={areaRef}
            mono
            rows={9}
            spellcheck={false}
            autocapitalize="off"
            value={text}
            onInput={(event) => onText(event.currentTarget.value)}
          />
        )}
      </Field>
      <Field
        label={storageTexts.expires}
        hint={storageTexts.expiresHint}
        error={lifetimeError(seconds) || undefined}
      >
        {(control) => (
          <Input
            {...control}
            inputmode="decimal"
            autocomplete="off"
            value={seconds}
            onInput={(event) => onSeconds(event.currentTarget.value)}
          />
        )}
      </Field>
    </>
  );
}

/** Whether it is JSON. Its place is there, whatever is to say. */
function About({ text, wasJson, onText }: Pick<ValueFieldsProps, "text" | "wasJson" | "onText">) {
  const pretty = prettyJson(text);
  const broken = wasJson ? jsonError(text) : "";
  return (
    <span class={styles.about}>
      {broken ? storageTexts.noJson(broken) : pretty !== null && storageTexts.isJson}
      {pretty !== null && pretty !== text && (
        <Button size="s" variant="ghost" icon={Braces} onClick={() => onText(pretty)}>
          {storageTexts.format}
        </Button>
      )}
    </span>
  );
}
