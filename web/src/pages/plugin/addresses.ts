/** Where a bundle may go: pure. */

const BASE = "http://toru.invalid";
const OTHER_PLACE = /^([a-z][a-z0-9+.-]*:|[\\/]{2})/i;

/** The path of a request to the plugin at `route`, with its query; null where it would leave the route. */
export function pathInRoute(route: string, path: string): string | null {
  const root = `/api/plugins/route${route}/`;
  if (OTHER_PLACE.test(path.trim())) return null;
  const url = new URL(root + path.trim().replace(/^\//, ""), BASE);
  return url.pathname.startsWith(root) ? url.pathname + url.search : null;
}

/** The path of a page of the dashboard, seen from the page `from`; null where it is none. */
export function pageSeenFrom(from: string, path: string): string | null {
  if (!/^[/?#]/.test(path) || OTHER_PLACE.test(path)) return null;
  const url = new URL(path, BASE + from);
  return /^\/(api|assets)(\/|$)/.test(url.pathname) ? null : url.pathname + url.search + url.hash;
}
