/** Over the page where the session ended: who signs in again goes on where they were. */
import { giveUp, user } from "../state/session";
import { signInTexts } from "../texts";
import { Button } from "../ui/Button";
import { Modal } from "../ui/Modal";
import { useId } from "../ui/useId";
import { SignInForm } from "./SignInForm";
import styles from "./SignInOverlay.module.css";

export function SignInOverlay() {
  const id = useId();
  return (
    <Modal labelledBy={id} class={styles.overlay}>
      <div class={styles.inside}>
        <h2 id={id} class={styles.title}>
          {signInTexts.again}
        </h2>
        <p class={styles.hint}>{signInTexts.againHint}</p>
        <SignInForm username={user.value?.username ?? ""} />
        <Button variant="ghost" size="s" wide onClick={giveUp}>
          {signInTexts.leave}
        </Button>
      </div>
    </Modal>
  );
}
