/** An event as a sentence about its plugin, whatever of its details one may see: pure. */
import type { PluginEvent } from "./api/types";
import { happenedTexts as texts } from "./texts";

export function happened({ type, details }: PluginEvent): string {
  const said = (name: string) => asText(details[name]);
  switch (type) {
    case "discovered":
      return texts.discovered(said("file"), said("version"));
    case "changed":
    case "upgraded":
      return texts[type](said("version"));
    case "problem":
      return texts.problem(said("error"));
    case "started":
      return texts.started(said("pid"));
    case "stopped":
    case "crashed":
      return texts[type](exitOf(details.exit));
    case "restarting":
      return texts.restarting(said("delay_seconds"));
    case "unhealthy":
      return texts.unhealthy(said("why"));
    case "disabled-after-crashes":
      return texts[type](said("crashes"));
    case "admin-action":
      return texts[type](said("who"), actionOf(said("what")), said("from"));
    default:
      return texts[type] ?? type;
  }
}

function asText(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function exitOf(exit: unknown): string {
  return exit !== null && typeof exit === "object" && "detail" in exit ? asText(exit.detail) : "";
}

const ACTIONS: readonly [RegExp, keyof typeof texts.actions][] = [
  [/^POST \/api\/plugins\/rescan$/, "rescan"],
  [/^POST \/api\/plugins\/[^/]+\/enable$/, "enable"],
  [/^POST \/api\/plugins\/[^/]+\/disable$/, "disable"],
  [/^POST \/api\/plugins\/[^/]+\/restart$/, "restart"],
  [/^POST \/api\/users$/, "addUser"],
  [/^PUT \/api\/users\/[^/]+$/, "changeUser"],
  [/^DELETE \/api\/users\/[^/]+$/, "removeUser"],
  [/^PUT \/api\/users\/[^/]+\/password$/, "setPassword"],
  [/^POST \/api\/tokens$/, "addToken"],
  [/^DELETE \/api\/tokens\/[^/]+$/, "removeToken"],
];

/** `POST /api/plugins/hello/restart` in words, where there are some. */
function actionOf(what: string): string {
  const [, name] = ACTIONS.find(([pattern]) => pattern.test(what)) ?? [];
  return name ? texts.actions[name] : what;
}
