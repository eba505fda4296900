/** What happened to all plugins, newest first, as it happens. */
import { History, SearchX } from "lucide-preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { EventType, PluginEvent } from "../../api/types";
import { date } from "../../format";
import { pluginList, plugins } from "../../state/plugins";
import { isAdmin } from "../../state/session";
import { eventsTexts, uiTexts } from "../../texts";
import { Button } from "../../ui/Button";
import { Card } from "../../ui/Card";
import { Empty } from "../../ui/Empty";
import { ErrorPanel } from "../../ui/ErrorPanel";
import { Select } from "../../ui/Field";
import { Page } from "../../ui/Page";
import { Skeleton } from "../../ui/Skeleton";
import { Spinner } from "../../ui/Spinner";
import { EventRow } from "./EventRow";
import styles from "./Events.module.css";
import { useEvents } from "./useEvents";

type Kind = keyof typeof eventsTexts.types;

export default function EventsPage() {
  const [plugin, setPlugin] = useState("");
  const [kind, setKind] = useState<Kind | "">("");
  return (
    <Page title={eventsTexts.title}>
      <search class={styles.filters}>
        <Select
          aria-label={eventsTexts.plugin}
          value={plugin}
          onChange={(event) => setPlugin(event.currentTarget.value)}
        >
          <option value="">{eventsTexts.allPlugins}</option>
          {pluginList.value.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
          {plugin && !plugins.value.has(plugin) && <option value={plugin}>{plugin}</option>}
        </Select>
        <Select
          aria-label={eventsTexts.kind}
          value={kind}
          onChange={(event) => setKind(event.currentTarget.value as Kind | "")}
        >
          <option value="">{eventsTexts.allKinds}</option>
          {Object.entries(eventsTexts.types).map(
            ([type, label]) =>
              (isAdmin.value || type !== "admin-action") && (
                <option key={type} value={type}>
                  {label}
                </option>
              ),
          )}
        </Select>
        {(plugin || kind) && (
          <Button
            variant="ghost"
            onClick={() => {
              setPlugin("");
              setKind("");
            }}
          >
            {eventsTexts.clearFilters}
          </Button>
        )}
      </search>
      <List key={plugin} plugin={plugin} kind={kind} />
    </Page>
  );
}

function List({ plugin, kind }: { plugin: string; kind: EventType | "" }) {
  const { events, error, loading, hasOlder, loadOlder } = useEvents(plugin);
  const shown = useMemo(() => events?.filter((event) => !kind || event.type === kind), [events, kind]);
  const days = useMemo(() => byDay(shown ?? []), [shown]);

  return (
    <>
      {!events && error === undefined && <Skeleton height="2.5rem" count={10} />}
      {days.map(([day, ofDay]) => (
        <section key={day} class={styles.day} aria-label={day}>
          <h2 class={styles.heading}>{day}</h2>
          <Card flush>
            <ol>
              {ofDay.map((event) => (
                <EventRow key={event.id} event={event} />
              ))}
            </ol>
          </Card>
        </section>
      ))}
      {error !== undefined && <ErrorPanel title={uiTexts.notLoaded} error={error} onRetry={loadOlder} />}
      {hasOlder && error === undefined && (
        <Older loading={loading} looked={events?.length ?? 0} onSeen={loadOlder} />
      )}
      {shown?.length === 0 && !hasOlder && (
        <Empty
          icon={kind || plugin ? SearchX : History}
          title={kind || plugin ? eventsTexts.noMatch : eventsTexts.nothing}
        >
          {eventsTexts.nothingHint}
        </Empty>
      )}
    </>
  );
}

/** Asks for older ones as soon as one has scrolled this far. */
function Older({ loading, looked, onSeen }: { loading: boolean; looked: number; onSeen: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const latest = useRef(onSeen);
  latest.current = onSeen;

  // Looked at anew after each page, because it may be seen still.
  useEffect(() => {
    if (!place.current || loading) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) latest.current();
      },
      { rootMargin: "600px" },
    );
    observer.observe(place.current);
    return () => observer.disconnect();
  }, [loading, looked]);

  return (
    <div ref={place} class={styles.older}>
      <Spinner /> {eventsTexts.looking(looked)}
    </div>
  );
}

function byDay(events: readonly PluginEvent[]): [day: string, events: PluginEvent[]][] {
  const days = new Map<string, PluginEvent[]>();
  for (const event of events) {
    const day = date(event.timestamp);
    const known = days.get(day);
    if (known) known.push(event);
    else days.set(day, [event]);
  }
  return [...days];
}
