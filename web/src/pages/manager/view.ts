/** What of the manager is shown, as it stands in the address of the page: pure. */
import { paths } from "../../navigation";

export const SHOWS = ["all", "running", "trouble", "disabled"] as const;
export type Show = (typeof SHOWS)[number];

export const SORTS = ["name", "state", "cpu", "memory", "requests"] as const;
export type Sort = (typeof SORTS)[number];

export const TABS = ["overview", "events", "storage"] as const;
export type Tab = (typeof TABS)[number];

export interface View {
  q: string;
  show: Show;
  sort: Sort;
  /** The id of the plugin whose details are open; empty where none is. */
  plugin: string;
  tab: Tab;
}

/** What is not there, or makes no sense, is as usual. */
export function viewOf(search: string): View {
  const query = new URLSearchParams(search);
  const oneOf = <T extends string>(name: string, all: readonly [T, ...T[]]): T =>
    all.find((one) => one === query.get(name)) ?? all[0];
  return {
    q: query.get("q") ?? "",
    show: oneOf("show", SHOWS),
    sort: oneOf("sort", SORTS),
    plugin: query.get("plugin") ?? "",
    tab: oneOf("tab", TABS),
  };
}

/** The address that shows this; what is as usual is left out. */
export function addressOf(view: View): string {
  const query = new URLSearchParams();
  if (view.q) query.set("q", view.q);
  if (view.show !== SHOWS[0]) query.set("show", view.show);
  if (view.sort !== SORTS[0]) query.set("sort", view.sort);
  if (view.plugin) query.set("plugin", view.plugin);
  if (view.plugin && view.tab !== TABS[0]) query.set("tab", view.tab);
  const text = query.toString();
  return text ? `${paths.plugins}?${text}` : paths.plugins;
}
