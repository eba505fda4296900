/** One line, with what stands above it (a new day, a new process) and below it (its details, once unfolded). */
import { Component } from "preact";
import { date, timeOfDay } from "../../format";
import { levelTexts, logsTexts } from "../../texts";
import { Badge } from "../../ui/Badge";
import { cx } from "../../ui/cx";
import { Highlight } from "../../ui/Highlight";
import { clean } from "./clean";
import { LineDetails } from "./LineDetails";
import styles from "./LineRow.module.css";
import { fieldsOf, type Line } from "./line";
import { shownOf } from "./shown";

export interface LineRowProps {
  line: Line;
  /** From 1, among those that are loaded. */
  number: number;
  search: string;
  wrap: boolean;
  current: boolean;
  unfolded: boolean;
  onToggle: (line: Line) => void;
  onCopy: (line: Line) => void;
}

export function rowId(line: Line): string {
  return `log-line-${line.record.id}`;
}

export class LineRow extends Component<LineRowProps> {
  /** While one follows, all but the new lines are as they were. */
  override shouldComponentUpdate(next: LineRowProps): boolean {
    const { line, search, wrap, current, unfolded } = this.props;
    return (
      line !== next.line ||
      search !== next.search ||
      wrap !== next.wrap ||
      current !== next.current ||
      unfolded !== next.unfolded
    );
  }

  override render({ line, number, search, wrap, current, unfolded, onToggle, onCopy }: LineRowProps) {
    const { record } = line;
    const { level, stream, timestamp } = record;
    const shown = shownOf(record.message, search, wrap, unfolded);
    return (
      <tbody class={styles.line} data-seq={line.seq}>
        {line.newDay && <Divider>{date(timestamp)}</Divider>}
        {line.newPid && <Divider>{logsTexts.process(line.pid ?? 0)}</Divider>}
        <tr
          id={rowId(line)}
          aria-rowindex={number}
          aria-selected={current}
          class={cx(styles.row, styles[level], (wrap || unfolded) && styles.wrap, current && styles.current)}
        >
          <td>
            <button
              type="button"
              tabIndex={-1}
              class={cx(styles.unfold, unfolded && styles.unfolded)}
              aria-expanded={unfolded}
              aria-label={logsTexts.details}
              onClick={() => onToggle(line)}
            />
          </td>
          <td class={styles.time}>
            <time dateTime={timestamp} title={timestamp}>
              {timeOfDay(timestamp)}
            </time>
          </td>
          <td>
            <span class={styles.level} title={levelTexts[level]}>
              <span aria-hidden="true">{level[0]?.toUpperCase()}</span>
              <span class={styles.heard}>{levelTexts[level]}</span>
            </span>
          </td>
          <td class={styles.stream}>{stream}</td>
          <td class={styles.message} dir="auto">
            {line.part !== null && (
              <span class={styles.badge}>
                <Badge>{logsTexts.part(line.part)}</Badge>
              </span>
            )}
            {shown.before > 0 && <span class={styles.left}>… </span>}
            <Highlight text={shown.text} query={search} />
            {shown.after > 0 && <span class={styles.left}> … {logsTexts.leftOut(shown.after)}</span>}
            {!unfolded && <Fields line={line} />}
          </td>
          <td class={styles.actions}>
            <button
              type="button"
              tabIndex={-1}
              class={styles.copy}
              aria-label={logsTexts.copyLine}
              title={logsTexts.copyLine}
              onClick={() => onCopy(line)}
            />
          </td>
        </tr>
        {unfolded && (
          <tr class={styles.details}>
            <td>
              <LineDetails line={line} search={search} />
            </td>
          </tr>
        )}
      </tbody>
    );
  }
}

function Divider({ children }: { children: string }) {
  return (
    <tr class={styles.divider}>
      <td>{children}</td>
    </tr>
  );
}

const MOST_FIELDS = 6;
const MOST_VALUE = 40;

/** A foretaste of the fields; all of them are in the details. */
function Fields({ line }: { line: Line }) {
  const fields = fieldsOf(line);
  if (!fields) return null;
  return (
    <span class={styles.fields}>
      {fields.slice(0, MOST_FIELDS).map(([name, value]) => (
        <span key={name}>
          {" "}
          <span class={styles.name}>{name}=</span>
          {brief(value)}
        </span>
      ))}
      {fields.length > MOST_FIELDS && ` +${fields.length - MOST_FIELDS}`}
    </span>
  );
}

function brief(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return clean(text.length > MOST_VALUE ? `${text.slice(0, MOST_VALUE)}…` : text).replace(/\n/g, " ");
}
