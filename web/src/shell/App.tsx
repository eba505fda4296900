/** Which of the three there is to see: the sign-in, the shell, or that the core could not be asked. */
import { useEffect } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { loginPath, navigate, paths, safeNext } from "../navigation";
import { loadSession, sessionFailure, sessionState, user } from "../state/session";
import { shellTexts } from "../texts";
import { ErrorPanel } from "../ui/ErrorPanel";
import { Toasts } from "../ui/Toasts";
import styles from "./ErrorBoundary.module.css";
import { Shell } from "./Shell";
import { SignInPage } from "./SignInPage";

export function App() {
  const [path] = useLocation();
  const state = sessionState.value;
  const isLogin = path === paths.login;

  useEffect(() => {
    if (state === "out" && !isLogin)
      navigate(loginPath(path + location.search + location.hash), { replace: true });
    if (state === "in" && isLogin) {
      navigate(safeNext(new URLSearchParams(location.search).get("next")), { replace: true });
    }
  }, [state, isLogin, path]);

  switch (state) {
    case "unknown":
      return null;
    case "failed":
      return (
        <main class={styles.place}>
          <ErrorPanel
            title={shellTexts.startFailed}
            error={sessionFailure.value}
            onRetry={() => loadSession()}
          />
        </main>
      );
    case "out":
      return (
        <>
          <SignInPage />
          <Toasts />
        </>
      );
    case "in":
    case "ended":
      return isLogin ? null : <Shell key={user.value?.id} />;
  }
}
