/** The addresses of the pages, and how one gets there. */
import { navigate as go } from "wouter-preact/use-browser-location";

export const paths = {
  home: "/plugins",
  login: "/login",
  plugins: "/plugins",
  plugin: (id: string) => `/plugin/${encodeURIComponent(id)}`,
  logs: (id: string) => `/plugin/${encodeURIComponent(id)}/logs`,
  events: "/events",
  users: "/users",
  account: "/account",
};

/** `state` is kept with the entry of the history, as `history.state`. */
export function navigate(path: string, options?: { replace?: boolean; state?: unknown }): void {
  go(path, options);
}

/** Where to sign in, for somebody who then goes on to `next`. */
export function loginPath(next: string): string {
  const safe = safeNext(next);
  return safe === paths.home ? paths.login : `${paths.login}?next=${encodeURIComponent(safe)}`;
}

/** `next` where it is the path of a page of our own, else the first page. */
export function safeNext(next: string | null): string {
  if (!next?.startsWith("/")) return paths.home;
  const base = "http://toru.invalid";
  const url = URL.canParse(next, base) ? new URL(next, base) : null;
  if (url?.origin !== base || url.pathname.startsWith("//")) return paths.home;
  if (url.pathname === "/" || url.pathname === paths.login || /^\/api(\/|$)/.test(url.pathname))
    return paths.home;
  return url.pathname + url.search + url.hash;
}
