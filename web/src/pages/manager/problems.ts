/** The files in the plugins folder that are no usable plugins, kept as they are now. */
import { effect, signal } from "@preact/signals";
import { api } from "../../api/client";
import type { EventType, PluginProblem } from "../../api/types";
import { opens } from "../../state/connection";
import { liveEvents } from "../../state/events";
import { refreshPlugins } from "../../state/plugins";
import { onUserChange } from "../../state/session";

export const problems = signal<readonly PluginProblem[]>([]);

const TELLING: ReadonlySet<EventType> = new Set(["problem", "discovered", "removed", "changed"]);

let running = false;
let again = false;

/** At most one question at a time, and one after that for all that happened meanwhile. Never rejects. */
export async function refreshProblems(): Promise<void> {
  again = true;
  if (running) return;
  running = true;
  while (again) {
    again = false;
    try {
      problems.value = await api.problems();
    } catch {
      // What was known stays; the connection bar says that the core is away.
    }
  }
  running = false;
}

/** Keep them right as long as somebody looks. Returns what ends it. */
export function watchProblems(): () => void {
  let seen = liveEvents.peek()[0]?.id ?? 0;
  const whenSeen = () => {
    // A file that is removed before it was ever a plugin is told by nobody.
    if (!document.hidden) void refreshProblems();
  };
  const ends = [
    effect(() => {
      if (opens.value >= 0) void refreshProblems();
    }),
    effect(() => {
      const fresh = liveEvents.value.filter((event) => event.id > seen);
      seen = fresh[0]?.id ?? seen;
      if (!fresh.some((event) => TELLING.has(event.type))) return;
      void refreshProblems();
      // A new version that cannot be used is a problem of the plugin that runs, too.
      if (fresh.some((event) => event.type === "problem" && !event.plugin)) void refreshPlugins();
    }),
  ];
  document.addEventListener("visibilitychange", whenSeen);
  return () => {
    document.removeEventListener("visibilitychange", whenSeen);
    for (const end of ends) end();
  };
}

onUserChange(() => {
  problems.value = [];
});
