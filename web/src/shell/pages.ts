/** The pages but the first one, each in a file of its own that is fetched when it is needed. */
import { lazyPage } from "../ui/lazyPage";

export const pluginPage = lazyPage<{ id: string }>(() => import("../pages/plugin"));
export const logsPage = lazyPage<{ id: string }>(() => import("../pages/logs"));
export const eventsPage = lazyPage(() => import("../pages/events"));
export const usersPage = lazyPage(() => import("../pages/users"));
export const accountPage = lazyPage(() => import("../pages/account"));

/** Begin to fetch the code of the page at this path, before anybody knows who asks for it. */
export function preloadPage(path: string): void {
  if (path.startsWith("/plugin/")) (path.endsWith("/logs") ? logsPage : pluginPage).preload();
  else if (path === "/events") eventsPage.preload();
  else if (path === "/users") usersPage.preload();
  else if (path === "/account") accountPage.preload();
}
