/** What to do where there is no plugin yet. */
import { Blocks } from "lucide-preact";
import { managerTexts } from "../../texts";
import { Card } from "../../ui/Card";
import { CopyButton } from "../../ui/CopyButton";
import { Empty } from "../../ui/Empty";
import styles from "./NoPlugins.module.css";

const STEPS = [
  [managerTexts.emptyOwn, managerTexts.emptyOwnCommand],
  [managerTexts.emptyCheck, managerTexts.emptyCheckCommand],
  [managerTexts.emptyExamples, managerTexts.emptyExamplesCommand],
] as const;

export function NoPlugins() {
  return (
    <Card>
      <Empty icon={Blocks} title={managerTexts.empty}>
        <p>{managerTexts.emptyHint}</p>
        <ul class={styles.steps}>
          {STEPS.map(([text, command]) => (
            <li key={command} class={styles.step}>
              <p>{text}</p>
              <div class={styles.command}>
                <code class={styles.code}>{command}</code>
                <CopyButton text={command} />
              </div>
            </li>
          ))}
        </ul>
      </Empty>
    </Card>
  );
}
