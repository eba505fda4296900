/** A small line chart. It takes the width of what it stands in. */
import { cx } from "./cx";
import styles from "./Sparkline.module.css";
import { areaPath, sparklinePath } from "./sparklinePath";

export interface SparklineProps {
  /** Oldest first, NaN where nothing is known. */
  values: ArrayLike<number>;
  /** What one hears, with the current figure in it. */
  label: string;
  /** How many values fill the width; fewer stand at the right. */
  slots?: number;
  /** What is at least at the top edge, so that small changes of small values stay small. */
  atLeast?: number;
  tone?: "accent" | "ok" | "warn" | "bad" | "neutral";
  height?: number;
}

const WIDTH = 300;

export function Sparkline(props: SparklineProps) {
  const { values, label, slots = 300, atLeast = 0, tone = "accent", height = 32 } = props;
  let most = atLeast;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? Number.NaN;
    if (value > most) most = value;
  }
  // Room above the line, so that its peak is not cut.
  const line = sparklinePath(values, slots, WIDTH, height, most * 1.08);
  return (
    <svg
      class={cx(styles.sparkline, styles[tone])}
      viewBox={`0 0 ${WIDTH} ${height}`}
      height={height}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <path class={styles.area} d={areaPath(line, height)} />
      <path class={styles.line} d={line} />
      <path class={styles.ground} d={`M0 ${height - 0.5}H${WIDTH}`} />
    </svg>
  );
}
