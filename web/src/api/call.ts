/** One call to the core: JSON in and out, errors as `Problem`, and a sign-in in between where the session ended. */
import { problemOf, unreachable } from "./problem";

export interface CallOptions {
  body?: unknown;
  query?: object;
  signal?: AbortSignal | undefined;
  headers?: Record<string, string>;
}

type Reauthenticate = () => Promise<boolean>;

let reauthenticate: Reauthenticate = async () => false;

/** Who is asked when a session ended: resolves to true once the same user is signed in again. */
export function onSessionEnd(handler: Reauthenticate): void {
  reauthenticate = handler;
}

/** The decoded JSON of the answer. */
export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
  const response = await send(method, path, options);
  return (await read(() => response.json())) as T;
}

/** The answer itself, once it is known to be a success. */
export async function send(method: string, path: string, options: CallOptions = {}): Promise<Response> {
  const response = await once(method, path, options);
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.status !== 401 || problem.code !== "unauthenticated" || !(await reauthenticate()))
    throw problem;
  const second = await once(method, path, options);
  if (second.ok) return second;
  throw await problemOf(second);
}

/** `fetch`, with that sign-in in between; the answer comes as it is, whatever its status. */
export async function fetchSignedIn(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (response.status !== 401 || init.body instanceof ReadableStream) return response;
  const { code } = await problemOf(response.clone());
  return code === "unauthenticated" && (await reauthenticate()) ? fetch(url, init) : response;
}

function once(method: string, path: string, options: CallOptions): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json", ...options.headers };
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (options.body !== undefined) {
    headers["content-type"] = "application/json";
    init.body = JSON.stringify(options.body);
  }
  if (options.signal) init.signal = options.signal;
  return read(() => fetch(path + queryOf(options.query), init));
}

async function read<T>(reading: () => Promise<T>): Promise<T> {
  try {
    return await reading();
  } catch (error) {
    // What fetch throws where there is no answer; an abort is no problem to tell of.
    if (error instanceof TypeError || error instanceof SyntaxError) throw unreachable();
    throw error;
  }
}

/** `?a=1&b=2`, without what is undefined or empty; nothing where nothing is left. */
export function queryOf(query: object = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text && `?${text}`;
}
