/** Asks before what was typed is lost. */
import { storageTexts } from "../../../texts";
import { ConfirmDialog } from "../../../ui/ConfirmDialog";
import { discard, stay } from "./draft";

export function DiscardDialog() {
  return (
    <ConfirmDialog
      title={storageTexts.discardTitle}
      confirm={storageTexts.discard}
      onConfirm={async () => discard()}
      onClose={stay}
    >
      {storageTexts.discardHint}
    </ConfirmDialog>
  );
}
