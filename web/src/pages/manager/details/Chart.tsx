/** One chart: a line or two, the figure now, the most, and the figure under the pointer. */
import { useState } from "preact/hooks";
import { duration } from "../../../format";
import { type Measure, type Series, SLOTS } from "../../../state/series";
import { detailsTexts } from "../../../texts";
import { cx } from "../../../ui/cx";
import { areaPath, sparklinePath } from "../../../ui/sparklinePath";
import styles from "./Chart.module.css";

export interface ChartProps {
  title: string;
  series: Series;
  /** The first is the one that counts. */
  lines: readonly [{ measure: Measure; name?: string }, ...{ measure: Measure; name: string }[]];
  show: (value: number) => string;
  /** The top edge is at least this. */
  atLeast: number;
}

const WIDTH = 300;
const HEIGHT = 72;
const SECONDS_EACH = 2;

export function Chart({ title, series, lines, show, atLeast }: ChartProps) {
  void series.version.value;
  // How many figures from the newest one back the pointer is.
  const [back, setBack] = useState<number | null>(null);
  const drawn = lines.map((line) => ({ ...line, values: series.values(line.measure) }));
  const most = Math.max(...drawn.flatMap(({ values }) => values.filter((value) => !Number.isNaN(value))), -1);
  const top = Math.max(most, atLeast) * 1.08;
  const shown = back ?? 0;
  const figure = ({ values }: { values: number[] }) => show(values.at(-1 - shown) ?? Number.NaN);
  const first = drawn[0];

  return (
    <figure class={styles.chart}>
      <figcaption class={styles.head}>
        <span class={styles.title}>{title}</span>
        <span class={styles.most}>
          {back === null
            ? most >= 0 && detailsTexts.most(show(most))
            : detailsTexts.secondsAgo(duration(back * SECONDS_EACH))}
        </span>
      </figcaption>
      <p class={styles.figures}>
        {drawn.map((line, index) => (
          <span key={line.measure} class={index ? styles.other : styles.now}>
            {line.name && <span class={cx(styles.key, index > 0 && styles.otherKey)}>{line.name}</span>}
            {figure(line)}
          </span>
        ))}
      </p>
      <div
        class={styles.plot}
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          const at = Math.round(((event.clientX - box.left) / box.width) * (SLOTS - 1));
          setBack(Math.min(Math.max(SLOTS - 1 - at, 0), Math.max((first?.values.length ?? 1) - 1, 0)));
        }}
        onPointerLeave={() => setBack(null)}
      >
        <svg
          class={styles.svg}
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={detailsTexts.summary(
            title,
            show(first?.values.at(-1) ?? Number.NaN),
            show(most >= 0 ? most : Number.NaN),
          )}
        >
          <path
            class={styles.grid}
            d={`M0 ${HEIGHT / 2}H${WIDTH}M0 0.5H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}`}
          />
          {drawn.map(({ measure, values }, index) => {
            const path = sparklinePath(values, SLOTS, WIDTH, HEIGHT, top);
            return index ? (
              <path key={measure} class={styles.otherLine} d={path} />
            ) : (
              <g key={measure}>
                <path class={styles.area} d={areaPath(path, HEIGHT)} />
                <path class={styles.line} d={path} />
              </g>
            );
          })}
        </svg>
        {back !== null && (
          <span
            class={styles.cursor}
            style={{ left: `${(1 - back / (SLOTS - 1)) * 100}%` }}
            aria-hidden="true"
          />
        )}
      </div>
      <p class={styles.axis} aria-hidden="true">
        <span>{detailsTexts.from}</span>
        <span>{detailsTexts.to}</span>
      </p>
    </figure>
  );
}
