/** The last ten minutes of a plugin, larger. */
import { bytes, milliseconds, percent, perSecond } from "../../../format";
import { useSeries } from "../../../state/usage";
import { detailsTexts } from "../../../texts";
import { Chart, type ChartProps } from "./Chart";
import styles from "./Chart.module.css";

const MIB = 1024 ** 2;

type Fixed = Omit<ChartProps, "series">;

const CHARTS: readonly Fixed[] = [
  { title: detailsTexts.cpu, show: percent, atLeast: 5, lines: [{ measure: "cpu" }] },
  { title: detailsTexts.memory, show: bytes, atLeast: 32 * MIB, lines: [{ measure: "memory" }] },
  {
    title: detailsTexts.rate,
    show: perSecond,
    atLeast: 1,
    lines: [
      { measure: "rate", name: detailsTexts.answered },
      { measure: "errorRate", name: detailsTexts.errorRate },
    ],
  },
  {
    title: detailsTexts.latency,
    show: milliseconds,
    atLeast: 1,
    lines: [
      { measure: "p99", name: detailsTexts.p99 },
      { measure: "p50", name: detailsTexts.median },
    ],
  },
];

export function Charts({ id }: { id: string }) {
  const series = useSeries(id);
  return (
    <section class={styles.charts} aria-label={detailsTexts.charts}>
      {CHARTS.map((chart) => (
        <Chart key={chart.title} {...chart} series={series} />
      ))}
    </section>
  );
}
