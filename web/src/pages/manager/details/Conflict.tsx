/** Somebody else was quicker: what is there now, and which of the two is to stay. */
import { TriangleAlert } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { storageTexts } from "../../../texts";
import { Button } from "../../../ui/Button";
import styles from "./Storage.module.css";
import { Value } from "./Value";

export interface ConflictProps {
  /** What is there now; null where nothing is. */
  value: string | null;
  busy: boolean;
  onOverwrite: () => void;
  onTake: () => void;
}

export function Conflict({ value, busy, onOverwrite, onTake }: ConflictProps) {
  const gone = value === null;
  const place = useRef<HTMLDivElement>(null);

  useEffect(() => place.current?.scrollIntoView({ block: "nearest" }), []);

  return (
    <div class={styles.conflict} role="alert" ref={place}>
      <p class={styles.conflictTitle}>
        <TriangleAlert size={16} aria-hidden="true" />
        {gone ? storageTexts.deletedMeanwhile : storageTexts.changed}
      </p>
      <p>{gone ? storageTexts.deletedMeanwhileHint : storageTexts.changedHint}</p>
      {!gone && <Value value={value} />}
      <div class={styles.actions}>
        <Button busy={busy} onClick={onOverwrite}>
          {gone ? storageTexts.storeAnew : storageTexts.overwrite}
        </Button>
        <Button onClick={onTake}>{gone ? storageTexts.letBe : storageTexts.takeTheirs}</Button>
      </div>
    </div>
  );
}
