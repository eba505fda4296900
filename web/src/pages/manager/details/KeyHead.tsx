/** The key that one looks at, and the way back to all of them. */
import { ArrowLeft, RotateCw } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { storageTexts } from "../../../texts";
import { CopyButton } from "../../../ui/CopyButton";
import { IconButton } from "../../../ui/IconButton";
import { KeyName } from "./KeyList";
import styles from "./Storage.module.css";

export interface KeyHeadProps {
  /** Missing where there is none yet. */
  name?: string;
  onBack: () => void;
  onReload?: (() => void) | undefined;
}

export function KeyHead({ name, onBack, onReload }: KeyHeadProps) {
  const back = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    // What was pressed is gone.
    if (document.activeElement === document.body || name !== undefined) back.current?.focus();
  }, [name]);

  return (
    <div class={styles.keyHead}>
      <IconButton size="s" icon={ArrowLeft} label={storageTexts.back} onClick={onBack} buttonRef={back} />
      <h3 class={styles.keyName}>{name === undefined ? storageTexts.add : <KeyName name={name} />}</h3>
      {name !== undefined && <CopyButton text={name} label={storageTexts.copyKey} />}
      {onReload && <IconButton size="s" icon={RotateCw} label={storageTexts.reload} onClick={onReload} />}
    </div>
  );
}
