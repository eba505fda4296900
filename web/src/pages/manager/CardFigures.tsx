/** What a plugin uses and does: three small charts, and the figures that go into no chart. */
import type { Plugin } from "../../api/types";
import { bytes, count, milliseconds, percent, perSecond } from "../../format";
import type { Measure } from "../../state/series";
import { useSeries } from "../../state/usage";
import { managerTexts } from "../../texts";
import { Sparkline } from "../../ui/Sparkline";
import styles from "./PluginCard.module.css";

const MIB = 1024 ** 2;
const CHARTS: readonly {
  measure: Measure;
  label: string;
  show: (value: number) => string;
  atLeast: number;
}[] = [
  { measure: "cpu", label: managerTexts.cpu, show: percent, atLeast: 5 },
  { measure: "memory", label: managerTexts.memory, show: bytes, atLeast: 32 * MIB },
  { measure: "rate", label: managerTexts.requests, show: perSecond, atLeast: 1 },
];

/** While `live` is not set it stays as it was last drawn. */
export function CardCharts({ id, live }: { id: string; live: boolean }) {
  const series = useSeries(id);
  if (live) void series.version.value;
  return (
    <div class={styles.charts}>
      {CHARTS.map(({ measure, label, show, atLeast }) => {
        const figure = show(series.last(measure));
        return (
          <div key={measure} class={styles.chart}>
            <p class={styles.label}>{label}</p>
            <p class={styles.figure}>{figure}</p>
            <Sparkline
              values={series.values(measure)}
              label={managerTexts.chart(label, figure)}
              atLeast={atLeast}
              height={26}
            />
          </div>
        );
      })}
    </div>
  );
}

export function CardCounts({ plugin, live }: { plugin: Plugin; live: boolean }) {
  const series = useSeries(plugin.id);
  if (live) void series.version.value;
  const { latency_ms, errors } = series.latest?.traffic ?? plugin.traffic;
  return (
    <dl class={styles.counts}>
      <Count label={managerTexts.p50} hint={managerTexts.p50Hint} figure={milliseconds(latency_ms.p50)} />
      <Count label={managerTexts.p99} hint={managerTexts.p99Hint} figure={milliseconds(latency_ms.p99)} />
      <Count label={managerTexts.errors} hint={managerTexts.errorsHint} figure={count(errors)} />
      <Count label={managerTexts.restarts} hint={managerTexts.restartsHint} figure={count(plugin.restarts)} />
    </dl>
  );
}

function Count({ label, hint, figure }: { label: string; hint: string; figure: string }) {
  return (
    <div class={styles.count} title={hint}>
      <dt class={styles.label}>{label}</dt>
      <dd class={styles.small}>{figure}</dd>
    </div>
  );
}
