/** The ids of the plugins in the order in which they are shown. */
import { useEffect, useRef, useState } from "preact/hooks";
import { pluginList } from "../../state/plugins";
import type { Measure } from "../../state/series";
import { seriesOf } from "../../state/usage";
import { arrange, type Load } from "./arrange";
import type { View } from "./view";

const MEASURES = { cpu: "cpu", memory: "memory", requests: "rate" } as const satisfies Record<
  string,
  Measure
>;
// Figures come every 2 s. Cards that change places as often could not be read.
const ANEW_EVERY = 10_000;
const LATELY = 30;

/** The same list as before, as long as it holds the same. */
export function useArranged(view: View): readonly string[] {
  const [, setRound] = useState(0);
  const before = useRef<readonly string[]>([]);
  const byFigures = view.sort in MEASURES;

  useEffect(() => {
    if (!byFigures) return;
    const timer = setInterval(() => setRound((round) => round + 1), ANEW_EVERY);
    return () => clearInterval(timer);
  }, [byFigures]);

  const ids = arrange(pluginList.value, view, load).map((plugin) => plugin.id);
  const same = ids.length === before.current.length && ids.every((id, at) => id === before.current[at]);
  if (!same) before.current = ids;
  return before.current;
}

/** The mean of the last minute. */
const load: Load = (id, sort) => {
  const known = seriesOf(id)
    .values(MEASURES[sort])
    .slice(-LATELY)
    .filter((value) => !Number.isNaN(value));
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : Number.NaN;
};
