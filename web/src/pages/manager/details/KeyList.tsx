/** The keys of a plugin's storage, those that begin with what was typed. */
import { Database, KeyRound, Plus, RotateCw } from "lucide-preact";
import { storageTexts, uiTexts } from "../../../texts";
import { Button } from "../../../ui/Button";
import { Card } from "../../../ui/Card";
import { Empty } from "../../../ui/Empty";
import { ErrorPanel } from "../../../ui/ErrorPanel";
import { SearchInput } from "../../../ui/Field";
import { IconButton } from "../../../ui/IconButton";
import { Skeleton } from "../../../ui/Skeleton";
import styles from "./Storage.module.css";
import { useKeys } from "./useKeys";

export interface KeyListProps {
  id: string;
  prefix: string;
  onPrefix: (prefix: string) => void;
  onOpen: (key: string) => void;
  onNew: () => void;
}

export function KeyList({ id, prefix, onPrefix, onOpen, onNew }: KeyListProps) {
  const { keys, error, loading, hasMore, more, reload } = useKeys(id, prefix);
  return (
    <div class={styles.storage}>
      <div class={styles.bar}>
        <div class={styles.search}>
          <SearchInput
            label={storageTexts.prefix}
            placeholder={storageTexts.prefixHint}
            value={prefix}
            onSearch={onPrefix}
          />
        </div>
        <IconButton icon={RotateCw} label={storageTexts.reload} busy={loading} onClick={reload} />
        <Button icon={Plus} onClick={onNew}>
          {storageTexts.add}
        </Button>
      </div>
      {error !== undefined && <ErrorPanel title={uiTexts.notLoaded} error={error} onRetry={reload} />}
      {!keys && error === undefined && <Skeleton height="2.25rem" count={6} />}
      {keys?.length === 0 && !loading && error === undefined && (
        <Empty icon={Database} title={prefix ? storageTexts.noMatch(prefix) : storageTexts.empty}>
          {!prefix && storageTexts.emptyHint}
        </Empty>
      )}
      {keys && keys.length > 0 && (
        <Card flush>
          <ul aria-label={storageTexts.keys}>
            {keys.map((key) => (
              <li key={key} class={styles.row}>
                <button type="button" class={styles.key} title={key} onClick={() => onOpen(key)}>
                  <KeyRound size={14} aria-hidden="true" />
                  <span class={styles.name}>
                    <KeyName name={key} />
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </Card>
      )}
      {hasMore && (
        <div class={styles.more}>
          <Button size="s" busy={loading} onClick={more}>
            {storageTexts.more}
          </Button>
        </div>
      )}
    </div>
  );
}

/** A key may hold whatever a text can: what cannot be seen is shown as its number. */
export function KeyName({ name }: { name: string }) {
  return (
    <bdi>
      {name.replace(
        /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|^ +| +$/gu,
        (part) => `\\u${(part.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
      )}
    </bdi>
  );
}
