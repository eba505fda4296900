/** The page for whoever is signed out. */
import { useEffect } from "preact/hooks";
import { productName, signInTexts } from "../texts";
import { Logo } from "./Logo";
import { SignInForm } from "./SignInForm";
import styles from "./SignInPage.module.css";

export function SignInPage() {
  useEffect(() => {
    document.title = `${signInTexts.title} · ${productName}`;
  }, []);

  return (
    <main class={styles.page}>
      <div class={styles.card}>
        <Logo size={40} />
        <h1 class={styles.title}>{signInTexts.title}</h1>
        <SignInForm />
      </div>
    </main>
  );
}
