/** One key: look at its value, change it, delete it. */
import { Pencil, Trash2 } from "lucide-preact";
import { useState } from "preact/hooks";
import { api } from "../../../api/client";
import { showToast } from "../../../state/toasts";
import { storageTexts, uiTexts } from "../../../texts";
import { Button } from "../../../ui/Button";
import { ConfirmDialog } from "../../../ui/ConfirmDialog";
import { Empty } from "../../../ui/Empty";
import { ErrorPanel } from "../../../ui/ErrorPanel";
import { Skeleton } from "../../../ui/Skeleton";
import { useLoad } from "../../../ui/useLoad";
import { KeyHead } from "./KeyHead";
import styles from "./Storage.module.css";
import { Value } from "./Value";
import { ValueForm } from "./ValueForm";

type Doing = "look" | "edit" | "delete";

export interface KeyEditorProps {
  id: string;
  name: string;
  onBack: () => void;
}

export function KeyEditor({ id, name, onBack }: KeyEditorProps) {
  const { data, error, reload, set } = useLoad(
    (signal) => api.kv.get(id, name, signal).then((value) => ({ value })),
    `${id} ${name}`,
  );
  const [doing, setDoing] = useState<Doing>("look");
  const value = data?.value;

  async function remove(shown: string): Promise<void> {
    const now = await api.kv.get(id, name);
    if (now !== null && now !== shown) {
      set({ value: now });
      throw new Error(storageTexts.deleteChanged);
    }
    await api.kv.delete(id, name);
    showToast(storageTexts.deleted(name), "success");
    onBack();
  }

  return (
    <div class={styles.storage}>
      <KeyHead name={name} onBack={onBack} onReload={doing === "edit" ? undefined : reload} />
      {error !== undefined && <ErrorPanel title={uiTexts.notLoaded} error={error} onRetry={reload} />}
      {value === undefined && error === undefined && <Skeleton height="8rem" />}
      {value === null && doing !== "edit" && <Empty title={storageTexts.gone}>{storageTexts.goneHint}</Empty>}
      {typeof value === "string" && doing !== "edit" && (
        <>
          <Value value={value} />
          <div class={styles.actions}>
            <Button icon={Pencil} onClick={() => setDoing("edit")}>
              {storageTexts.edit}
            </Button>
            <Button variant="ghost" icon={Trash2} onClick={() => setDoing("delete")}>
              {storageTexts.delete}
            </Button>
          </div>
        </>
      )}
      {typeof value === "string" && doing === "edit" && (
        <ValueForm
          id={id}
          name={name}
          value={value}
          onDone={(now) => {
            set({ value: now });
            setDoing("look");
          }}
        />
      )}
      {typeof value === "string" && doing === "delete" && (
        <ConfirmDialog
          title={storageTexts.deleteTitle}
          confirm={storageTexts.delete}
          onConfirm={() => remove(value)}
          onClose={() => setDoing("look")}
        >
          <p class={styles.quoted}>{name}</p>
          <p>{storageTexts.deleteHint}</p>
        </ConfirmDialog>
      )}
    </div>
  );
}
