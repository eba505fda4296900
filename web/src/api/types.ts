/** What the server's calls take and give: the same shapes and names as its own. Times are RFC 3339 in UTC. */

export type Role = "admin" | "client";
export type TokenRole = "admin" | "client" | "monitor";
export type Capability = "ping" | "cancel" | "stream" | "websocket";
export type PluginState = "stopped" | "starting" | "running" | "stopping" | "backoff" | "disabled";
export type Health = "healthy" | "unhealthy" | "disabled";
export type EventType =
  | "discovered"
  | "changed"
  | "removed"
  | "problem"
  | "enabled"
  | "disabled"
  | "started"
  | "ready"
  | "stopped"
  | "crashed"
  | "restarting"
  | "unhealthy"
  | "disabled-after-crashes"
  | "upgraded"
  | "admin-action";
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";
export type LogStream = "stdout" | "stderr" | "link" | "file";

export interface User {
  id: string;
  username: string;
  display_name: string;
  role: Role;
}

export interface WhoAmI {
  authenticated: boolean;
  user: User | null;
}

export interface Account extends User {
  active: boolean;
  created_at: string;
}

export interface NewAccount {
  username: string;
  password: string;
  display_name?: string;
}

export interface AccountChange {
  display_name?: string;
  active?: boolean;
}

export interface ApiToken {
  id: string;
  name: string;
  role: TokenRole;
  created_at: string;
}

/** The only time that a token is shown. */
export interface MadeToken extends ApiToken {
  token: string;
}

export interface LoginAttempt {
  id: number;
  timestamp: string;
  username: string;
  address: string;
  success: boolean;
}

export interface Exit {
  at: string;
  code: number | null;
  signal: string | null;
  detail: string;
}

export interface Usage {
  cpu_percent: number;
  rss_bytes: number;
}

/** Counts since the core started; latencies in milliseconds. */
export interface Traffic {
  requests: number;
  errors: number;
  in_flight: number;
  latency_ms: { p50: number | null; p99: number | null };
}

export interface Figures {
  timestamp: string;
  usage: Usage | null;
  traffic: Traffic;
}

/** What is marked with `?` is there for admins only. */
export interface Plugin {
  id: string;
  name: string;
  version: string;
  author: string;
  description: string;
  icon: string;
  route: string;
  capabilities: Capability[];
  protocol: "1" | "2" | null;
  enabled: boolean;
  state: PluginState;
  running: boolean;
  health: Health;
  started_at: string | null;
  uptime_seconds: number | null;
  restarts: number;
  consecutive_crashes: number;
  next_restart_at: string | null;
  problem: string | null;
  traffic: Traffic;
  pid?: number | null;
  socket_path?: string | null;
  last_exit?: Exit | null;
  usage?: Usage | null;
}

/** A file in the plugins folder that is no usable plugin. */
export interface PluginProblem {
  file: string;
  error: string;
}

export interface Rescan {
  added: string[];
  removed: string[];
  changed: string[];
  problems: PluginProblem[];
}

/** `plugin` is empty where it is about none; `details` are empty for clients. */
export interface PluginEvent {
  id: number;
  timestamp: string;
  plugin: string;
  type: EventType;
  details: Record<string, unknown>;
}

export interface LogRecord {
  id: number;
  timestamp: string;
  level: LogLevel;
  plugin: string;
  message: string;
  stream: LogStream;
  fields: Record<string, unknown> | null;
  error: string | null;
  pid: number | null;
}

interface Page {
  page: number;
  page_size: number;
}

export interface LogPage extends Page {
  logs: LogRecord[];
  total: number | null;
}

export interface EventPage extends Page {
  events: PluginEvent[];
  total: number;
}

export interface LoginPage extends Page {
  attempts: LoginAttempt[];
  total: number;
}

export interface Paging {
  page?: number;
  page_size?: number;
}

/** `level`: the least severe shown. `before`: the id of a record, for a listing that does not shift. */
export interface LogQuery extends Paging {
  before?: number;
  level?: LogLevel;
  q?: string;
  since?: string;
  until?: string;
}

export interface KvKeys {
  keys: string[];
  next: string | null;
}

/** `expect`: set only where the value is still this; null: where there is none. */
export interface KvSet {
  ttl_seconds?: number;
  expect?: string | null;
}

/** The message `usage` of the live stream. */
export interface UsageMessage {
  timestamp: string;
  plugins: Record<string, { usage: Usage | null; traffic: Traffic }>;
}
