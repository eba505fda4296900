/** Who is signed in at this browser, and what happens when that changes. */
import { computed, signal } from "@preact/signals";
import { onSessionEnd } from "../api/call";
import { api } from "../api/client";
import { messageOf } from "../api/problem";
import type { User } from "../api/types";
import { navigate, paths } from "../navigation";
import { keptSignal } from "./kept";

/** `ended`: the page stays as it is, with the sign-in over it; `failed`: the core could not be asked. */
export type SessionState = "unknown" | "failed" | "out" | "in" | "ended";

export const sessionState = signal<SessionState>("unknown");
export const sessionFailure = signal("");
export const user = signal<User | null>(null);
export const isAdmin = computed(() => user.value?.role === "admin");

/** Whether somebody was signed in here last: then plugins are asked for before it is known who asks. */
export const wasSignedIn = keptSignal("signed-in", ["yes", "no"], "no");

const resets = new Set<() => void>();
let waiting: ((again: boolean) => void)[] = [];

/** `reset` forgets what belongs to one user; it is called before another one comes in. */
export function onUserChange(reset: () => void): void {
  resets.add(reset);
}

/** Ask the core who this is. Whoever comes in does so once `before` is done, so that the page is drawn once. */
export async function loadSession(before: Promise<unknown> = Promise.resolve()): Promise<void> {
  try {
    const [{ user: found }] = await Promise.all([api.me(), before]);
    if (found) enter(found);
    else leave();
  } catch (error) {
    sessionFailure.value = messageOf(error);
    sessionState.value = "failed";
  }
}

/** Look whether it is still the same user: in another tab somebody else may have signed in. Never rejects. */
export async function checkSession(): Promise<void> {
  const found = await api.me().catch(() => null);
  if (found?.user && found.user.id !== user.value?.id) enter(found.user);
}

/** Rejects with a `Problem` that says what was wrong. */
export async function signIn(username: string, password: string): Promise<void> {
  enter((await api.login(username, password)).user);
}

/** Where a session ended: not on with this page, but to the sign-in. */
export function giveUp(): void {
  // Not back to this page: whoever signs in next may be somebody else.
  navigate(paths.login);
  leave();
}

/** Rejects with a `Problem` where the core could not be told. */
export async function signOut(): Promise<void> {
  await api.logout();
  giveUp();
}

/** Forgets who this was. */
function leave(): void {
  wasSignedIn.value = "no";
  become(null);
  sessionState.value = "out";
  answerWaiting(false);
}

function enter(found: User): void {
  wasSignedIn.value = "yes";
  const same = user.value?.id === found.id;
  become(found);
  sessionState.value = "in";
  answerWaiting(same);
}

function become(next: User | null): void {
  if (user.value && user.value.id !== next?.id) {
    for (const reset of resets) reset();
  }
  user.value = next;
}

function answerWaiting(again: boolean): void {
  const told = waiting;
  waiting = [];
  for (const tell of told) tell(again);
}

onSessionEnd(() => {
  if (sessionState.value === "in") sessionState.value = "ended";
  if (sessionState.value !== "ended") return Promise.resolve(false);
  return new Promise((resolve) => {
    waiting.push(resolve);
  });
});
