/** Which lines one wants to see. */
import { Pause, Play, WrapText } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { LogLevel } from "../../api/types";
import { logsTexts } from "../../texts";
import { Button } from "../../ui/Button";
import { Field, Input, SearchInput, Select } from "../../ui/Field";
import { IconButton } from "../../ui/IconButton";
import { fromLocal, type LogFilter, PRESETS, type Preset, presetSince } from "./filter";
import { LEVELS } from "./line";
import styles from "./Toolbar.module.css";

const SEARCH_AFTER = 250;
const MOST_SEARCHED = 1000;

type RangeChoice = "all" | Preset | "between";

export interface ToolbarProps {
  filter: LogFilter;
  onFilter: (change: Partial<LogFilter>) => void;
  following: boolean;
  onFollow: (follow: boolean) => void;
  wrap: boolean;
  onWrap: (wrap: boolean) => void;
  /** More buttons. */
  children: ComponentChildren;
}

export function Toolbar({ filter, onFilter, following, onFollow, wrap, onWrap, children }: ToolbarProps) {
  const [range, setRange] = useState<RangeChoice>("all");
  const limited = Boolean(filter.since || filter.until);

  // The filters were cleared from elsewhere.
  useEffect(() => {
    if (!limited) setRange((before) => (before === "between" ? before : "all"));
  }, [limited]);

  function chooseRange(choice: RangeChoice): void {
    setRange(choice);
    if (choice === "all") onFilter({ since: "", until: "" });
    else if (choice !== "between") onFilter({ since: presetSince(choice, Date.now()), until: "" });
  }

  return (
    <search class={styles.toolbar}>
      <div class={styles.search}>
        <LateSearch value={filter.text} onSearch={(text) => onFilter({ text })} />
      </div>
      <Select
        aria-label={logsTexts.level}
        value={filter.level}
        onChange={(event) => onFilter({ level: event.currentTarget.value as LogLevel })}
      >
        {LEVELS.map((level) => (
          <option key={level} value={level}>
            {logsTexts.levels[level]}
          </option>
        ))}
      </Select>
      <Select
        aria-label={logsTexts.range}
        value={range}
        onChange={(event) => chooseRange(event.currentTarget.value as RangeChoice)}
      >
        {(["all", ...PRESETS, "between"] as const).map((each) => (
          <option key={each} value={each}>
            {logsTexts.ranges[each]}
          </option>
        ))}
      </Select>
      <span class={styles.buttons}>
        <Button icon={following ? Pause : Play} onClick={() => onFollow(!following)}>
          {following ? logsTexts.pause : logsTexts.follow}
        </Button>
        <IconButton icon={WrapText} label={logsTexts.wrap} pressed={wrap} onClick={() => onWrap(!wrap)} />
        {children}
      </span>
      {range === "between" && <Between onChange={onFilter} />}
    </search>
  );
}

function Between({ onChange }: { onChange: (change: { since: string; until: string }) => void }) {
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const wrong = from !== "" && to !== "" && from >= to;

  function changed(newFrom: string, newTo: string): void {
    setFrom(newFrom);
    setTo(newTo);
    if (newFrom === "" || newTo === "" || newFrom < newTo)
      onChange({ since: fromLocal(newFrom), until: fromLocal(newTo) });
  }

  return (
    <div class={styles.between}>
      <Field label={logsTexts.from}>
        {(control) => (
          <Input
            {...control}
            type="datetime-local"
            step="1"
            value={from}
            onChange={(event) => changed(event.currentTarget.value, to)}
          />
        )}
      </Field>
      <Field label={logsTexts.to} error={wrong ? logsTexts.badRange : undefined}>
        {(control) => (
          <Input
            {...control}
            type="datetime-local"
            step="1"
            value={to}
            onChange={(event) => changed(from, event.currentTarget.value)}
          />
        )}
      </Field>
    </div>
  );
}

/** Searches once one has stopped typing. */
function LateSearch({ value, onSearch }: { value: string; onSearch: (value: string) => void }) {
  const [typed, setTyped] = useState(value);

  useEffect(() => setTyped(value), [value]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: only typing starts the wait
  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => onSearch(typed), SEARCH_AFTER);
    return () => clearTimeout(timer);
  }, [typed]);

  return (
    <SearchInput
      label={logsTexts.search}
      value={typed}
      onSearch={(text) => setTyped(text.slice(0, MOST_SEARCHED))}
    />
  );
}
