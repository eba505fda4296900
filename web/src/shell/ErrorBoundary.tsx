/** Where a page breaks, only that page does. Give it a `key` that changes with the page. */
import { Component, type ComponentChildren } from "preact";
import { errorTexts } from "../texts";
import { ErrorPanel } from "../ui/ErrorPanel";
import styles from "./ErrorBoundary.module.css";

interface State {
  error: unknown;
}

export class ErrorBoundary extends Component<{ children: ComponentChildren }, State> {
  override state: State = { error: undefined };

  override componentDidCatch(error: unknown): void {
    reportError(error);
    this.setState({ error });
  }

  override render({ children }: { children: ComponentChildren }, { error }: State): ComponentChildren {
    if (error === undefined) return children;
    return (
      <div class={styles.place}>
        <ErrorPanel
          title={errorTexts.pageFailed}
          error={error}
          hint={errorTexts.pageFailedHint}
          details={error instanceof Error ? error.stack : undefined}
          onRetry={() => this.setState({ error: undefined })}
        />
      </div>
    );
  }
}
