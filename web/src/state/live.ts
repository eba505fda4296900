/** Puts what the core tells, as it happens, into the state. */
import { batch } from "@preact/signals";
import { api } from "../api/client";
import type { StreamMessage } from "../api/sse";
import { openStream } from "../api/stream";
import type { Plugin, PluginEvent, UsageMessage } from "../api/types";
import { connection, opens } from "./connection";
import { addEvent } from "./events";
import { forgetPlugin, refreshPlugins, setPlugin } from "./plugins";
import { checkSession } from "./session";
import { addUsage } from "./usage";

/** Returns what ends it. */
export function startLive(): () => void {
  const stream = openStream(api.eventStreamUrl(), {
    connecting: () => {
      const before = connection.peek();
      // While it is lost, and tried again, it stays so for whoever looks.
      connection.value = before.state === "lost" ? { ...before, retryAt: 0 } : { state: "connecting" };
    },
    open: () => {
      const again = connection.peek().state === "lost";
      connection.value = { state: "open" };
      opens.value += 1;
      if (again) void checkSession();
      void refreshPlugins();
    },
    lost: (retryAt) => {
      connection.value = { state: "lost", retryAt, retry: stream.retry };
    },
    asleep: () => {
      connection.value = { state: "asleep" };
    },
    refused: () => {
      connection.value = { state: "off" };
    },
    messages: (messages) => batch(() => messages.forEach(take)),
  });
  return () => {
    stream.close();
    connection.value = { state: "off" };
  };
}

function take(message: StreamMessage): void {
  switch (message.event) {
    case "plugin":
      setPlugin(JSON.parse(message.data) as Plugin);
      break;
    case "usage":
      addUsage(JSON.parse(message.data) as UsageMessage);
      break;
    case "message":
      happened(JSON.parse(message.data) as PluginEvent);
  }
}

function happened(event: PluginEvent): void {
  addEvent(event);
  if (event.type === "removed") {
    forgetPlugin(event.plugin);
    // It may be back already: what is told of plugins does not wait for events to be written.
    void refreshPlugins();
  }
}
