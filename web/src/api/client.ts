/** Every call of the core that the dashboard makes, typed. Each rejects with a `Problem`, or an abort. */
import { call, send } from "./call";
import type {
  Account,
  AccountChange,
  ApiToken,
  EventPage,
  Figures,
  KvKeys,
  KvSet,
  LoginPage,
  LogPage,
  LogQuery,
  MadeToken,
  NewAccount,
  Paging,
  Plugin,
  PluginProblem,
  Rescan,
  TokenRole,
  User,
  WhoAmI,
} from "./types";

type Signal = AbortSignal | undefined;

const get = <T>(path: string, query?: object, signal?: Signal) => call<T>("GET", path, { query, signal });
const post = <T>(path: string, body?: unknown, signal?: Signal) => call<T>("POST", path, { body, signal });
const put = <T>(path: string, body: unknown) => call<T>("PUT", path, { body });
const remove = (path: string) => call<unknown>("DELETE", path);

const plugin = (id: string) => `/api/plugins/${encodeURIComponent(id)}`;
const user = (id: string) => `/api/users/${encodeURIComponent(id)}`;

export const api = {
  login: (username: string, password: string) =>
    post<{ success: boolean; user: User }>("/api/auth/login", { username, password }),
  logout: () => post<unknown>("/api/auth/logout"),
  me: () => get<WhoAmI>("/api/auth/me"),
  loginHistory: (paging: Paging = {}, signal?: Signal) =>
    get<LoginPage>("/api/auth/login-history", paging, signal),
  changeOwnPassword: (current_password: string, new_password: string) =>
    put<unknown>("/api/me/password", { current_password, new_password }),

  users: (signal?: Signal) => get<Account[]>("/api/users", undefined, signal),
  addUser: (account: NewAccount) => post<Account>("/api/users", account),
  changeUser: (id: string, change: AccountChange) => put<Account>(user(id), change),
  setUserPassword: (id: string, password: string) => put<unknown>(`${user(id)}/password`, { password }),
  removeUser: (id: string) => remove(user(id)),

  tokens: (signal?: Signal) => get<ApiToken[]>("/api/tokens", undefined, signal),
  addToken: (name: string, role: TokenRole) => post<MadeToken>("/api/tokens", { name, role }),
  removeToken: (id: string) => remove(`/api/tokens/${encodeURIComponent(id)}`),

  plugins: (signal?: Signal) => get<Plugin[]>("/api/plugins", undefined, signal),
  plugin: (id: string, signal?: Signal) => get<Plugin>(plugin(id), undefined, signal),
  problems: (signal?: Signal) => get<PluginProblem[]>("/api/plugins/problems", undefined, signal),
  rescan: () => post<Rescan>("/api/plugins/rescan"),
  enable: (id: string) => post<Plugin>(`${plugin(id)}/enable`),
  disable: (id: string) => post<Plugin>(`${plugin(id)}/disable`),
  restart: (id: string) => post<Plugin>(`${plugin(id)}/restart`),
  usage: (id: string, signal?: Signal) => get<Figures[]>(`${plugin(id)}/usage`, undefined, signal),

  logs: (id: string, query: LogQuery = {}, signal?: Signal) =>
    get<LogPage>(`${plugin(id)}/logs`, query, signal),
  /** All that match, newest first, as lines of JSON that come by and by. */
  downloadLogs: (id: string, query: LogQuery = {}, signal?: Signal) =>
    send("GET", `${plugin(id)}/logs`, { query, headers: { accept: "application/x-ndjson" }, signal }),
  logStreamUrl: (id: string) => `${plugin(id)}/logs/stream`,

  events: (paging: Paging = {}, signal?: Signal) => get<EventPage>("/api/events", paging, signal),
  eventsOf: (id: string, paging: Paging = {}, signal?: Signal) =>
    get<EventPage>(`${plugin(id)}/events`, paging, signal),
  eventStreamUrl: () => "/api/events/stream",

  bundleUrl: (id: string) => `${plugin(id)}/bundle.js`,
  routeUrl: (route: string, path = "/") =>
    `/api/plugins/route${route}${path.startsWith("/") ? "" : "/"}${path}`,

  kv: {
    get: (id: string, key: string, signal?: Signal) =>
      post<{ value: string | null }>(`${plugin(id)}/kv`, { action: "get", key }, signal).then(onlyValue),
    set: (id: string, key: string, value: string, options: KvSet = {}, signal?: Signal) =>
      post<{ value: string }>(`${plugin(id)}/kv`, { action: "set", key, value, ...options }, signal).then(
        onlyValue,
      ),
    delete: (id: string, key: string, signal?: Signal) =>
      post<unknown>(`${plugin(id)}/kv`, { action: "delete", key }, signal),
    list: (id: string, options: { prefix?: string; limit?: number; after?: string } = {}, signal?: Signal) =>
      post<KvKeys>(`${plugin(id)}/kv`, { action: "list", ...options }, signal),
  },
};

function onlyValue<T>(answer: { value: T }): T {
  return answer.value;
}
