/** What a plugin uses, what it says of itself, its process, and how the last one ended. */
import { SquareArrowOutUpRight } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { api } from "../../../api/client";
import type { Exit, Plugin } from "../../../api/types";
import { count, dateTime } from "../../../format";
import { useSeries } from "../../../state/usage";
import { detailsTexts } from "../../../texts";
import { Badge } from "../../../ui/Badge";
import { CopyButton } from "../../../ui/CopyButton";
import { RelativeTime } from "../../../ui/RelativeTime";
import { Charts } from "./Charts";
import styles from "./Facts.module.css";

export function Facts({ plugin }: { plugin: Plugin }) {
  return (
    <div class={styles.facts}>
      <Charts id={plugin.id} />
      <Section title={detailsTexts.about}>
        <About plugin={plugin} />
      </Section>
      <Section title={detailsTexts.process}>
        <Process plugin={plugin} />
      </Section>
      <Section title={detailsTexts.traffic}>
        <TrafficCounts plugin={plugin} />
      </Section>
      <Section title={detailsTexts.lastExit}>
        {plugin.last_exit ? <LastExit exit={plugin.last_exit} /> : <p>{detailsTexts.neverExited}</p>}
      </Section>
    </div>
  );
}

function Section({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class={styles.section}>
      <h3 class={styles.title}>{title}</h3>
      {children}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class={styles.fact}>
      <dt class={styles.name}>{name}</dt>
      <dd class={styles.value}>{children}</dd>
    </div>
  );
}

function About({ plugin }: { plugin: Plugin }) {
  const address = api.routeUrl(plugin.route);
  return (
    <dl>
      <Fact name={detailsTexts.id}>
        <code class={styles.code}>{plugin.id}</code>
      </Fact>
      <Fact name={detailsTexts.author}>
        {plugin.author ? <bdi>{plugin.author}</bdi> : <Faint>{detailsTexts.notGiven}</Faint>}
      </Fact>
      <Fact name={detailsTexts.version}>
        {plugin.version ? <bdi>{plugin.version}</bdi> : <Faint>{detailsTexts.notGiven}</Faint>}
      </Fact>
      <Fact name={detailsTexts.route}>
        <a class={styles.link} href={address} target="_blank" rel="noreferrer" title={detailsTexts.routeHint}>
          <code class={styles.code}>{plugin.route}</code>
          <SquareArrowOutUpRight size={13} aria-hidden="true" />
        </a>
        <CopyButton text={() => new URL(address, location.href).href} label={detailsTexts.copyRoute} />
      </Fact>
      <Fact name={detailsTexts.protocol}>
        {plugin.protocol ?? <Faint>{detailsTexts.protocolUnknown}</Faint>}
      </Fact>
      <Fact name={detailsTexts.capabilities}>
        {plugin.capabilities.length ? (
          plugin.capabilities.map((each) => <Badge key={each}>{each}</Badge>)
        ) : (
          <Faint>{detailsTexts.none}</Faint>
        )}
      </Fact>
    </dl>
  );
}

function Process({ plugin }: { plugin: Plugin }) {
  return (
    <dl>
      <Fact name={detailsTexts.pid}>{plugin.pid ?? "–"}</Fact>
      <Fact name={detailsTexts.startedAt}>{plugin.started_at ? dateTime(plugin.started_at) : "–"}</Fact>
      <Fact name={detailsTexts.restarts}>{count(plugin.restarts)}</Fact>
      <Fact name={detailsTexts.crashes}>{count(plugin.consecutive_crashes)}</Fact>
      {plugin.socket_path && (
        <Fact name={detailsTexts.socket}>
          <code class={styles.code}>{plugin.socket_path}</code>
          <CopyButton text={plugin.socket_path} label={detailsTexts.copySocket} />
        </Fact>
      )}
    </dl>
  );
}

function TrafficCounts({ plugin }: { plugin: Plugin }) {
  const series = useSeries(plugin.id);
  void series.version.value;
  const { requests, errors, in_flight } = series.latest?.traffic ?? plugin.traffic;
  return (
    <dl>
      <Fact name={detailsTexts.requests}>{count(requests)}</Fact>
      <Fact name={detailsTexts.errors}>{count(errors)}</Fact>
      <Fact name={detailsTexts.inFlight}>{count(in_flight)}</Fact>
    </dl>
  );
}

function LastExit({ exit }: { exit: Exit }) {
  return (
    <>
      <p class={styles.sentence}>{exit.detail}</p>
      <p class={styles.exit}>
        {exit.signal !== null && <Badge tone="bad">{detailsTexts.exitSignal(exit.signal)}</Badge>}
        {exit.code !== null && (
          <Badge tone={exit.code === 0 ? "neutral" : "bad"}>{detailsTexts.exitCode(exit.code)}</Badge>
        )}
        <span>{dateTime(exit.at)}</span>
        <span>
          <RelativeTime time={exit.at} />
        </span>
      </p>
    </>
  );
}

function Faint({ children }: { children: ComponentChildren }) {
  return <span class={styles.faint}>{children}</span>;
}
