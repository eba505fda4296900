/** What there is to know of one line besides its text. */
import { dateTime } from "../../format";
import { levelTexts, logsTexts } from "../../texts";
import { Highlight } from "../../ui/Highlight";
import { clean } from "./clean";
import styles from "./LineDetails.module.css";
import { fieldsOf, type Line } from "./line";

export function LineDetails({ line, search }: { line: Line; search: string }) {
  const { record } = line;
  const fields = fieldsOf(line);
  const facts: [string, string | null][] = [
    [logsTexts.time, `${dateTime(record.timestamp)} (${record.timestamp})`],
    [logsTexts.levelName, levelTexts[record.level]],
    [logsTexts.stream, logsTexts.streams[record.stream]],
    [logsTexts.pid, record.pid === null ? null : String(record.pid)],
    [logsTexts.cut, line.part === null ? null : logsTexts.cutHint(line.part)],
  ];
  return (
    <div class={styles.details}>
      <dl class={styles.list}>
        {facts.map(
          ([name, value]) =>
            value !== null && (
              <div key={name} class={styles.fact}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
      {fields && (
        <dl class={styles.list} aria-label={logsTexts.fields}>
          {fields.map(([name, value]) => (
            <div key={name} class={styles.fact}>
              <dt class={styles.name}>{name}</dt>
              <dd class={styles.value}>
                <Highlight text={valueText(value)} query={search} />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}

function valueText(value: unknown): string {
  return clean(typeof value === "string" ? value : JSON.stringify(value, null, 2));
}
