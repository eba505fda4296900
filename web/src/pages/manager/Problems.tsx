/** Which files are no usable plugins, and why. */
import { FileWarning } from "lucide-preact";
import { managerTexts } from "../../texts";
import { Card } from "../../ui/Card";
import styles from "./Problems.module.css";
import { problems } from "./problems";

export const PROBLEMS_ID = "problems";

export function Problems() {
  const found = problems.value;
  if (!found.length) return null;
  return (
    <section class={styles.section} id={PROBLEMS_ID} tabIndex={-1} aria-labelledby={`${PROBLEMS_ID}-title`}>
      <h2 class={styles.title} id={`${PROBLEMS_ID}-title`}>
        {managerTexts.problems(found.length)}
      </h2>
      <p class={styles.hint}>{managerTexts.problemsHint}</p>
      <Card flush>
        <ul>
          {found.map(({ file, error }) => (
            <li key={file} class={styles.problem}>
              <FileWarning class={styles.icon ?? ""} size={16} aria-hidden="true" />
              <div class={styles.text}>
                <p class={styles.file}>
                  <bdi>{file}</bdi>
                </p>
                <p class={styles.error}>{withoutName(error, file)}</p>
              </div>
            </li>
          ))}
        </ul>
      </Card>
    </section>
  );
}

/** Errors begin with the name of the file, which stands above them here. */
function withoutName(error: string, file: string): string {
  return error.startsWith(`${file}: `) ? error.slice(file.length + 2) : error;
}
