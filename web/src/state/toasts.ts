/** Short messages at the edge of the page. */
import { signal } from "@preact/signals";
import { isAbort, messageOf } from "../api/problem";

export type ToastKind = "success" | "error" | "info";

export interface ToastAction {
  label: string;
  run: () => void;
}

export interface Toast {
  id: number;
  kind: ToastKind;
  message: string;
  action?: ToastAction;
  /** How often the same was said. */
  times: number;
}

const MOST = 4;

export const toasts = signal<readonly Toast[]>([]);
let lastId = 0;

export function showToast(message: string, kind: ToastKind = "info", action?: ToastAction): number {
  const same = toasts.value.find((one) => one.message === message && one.kind === kind);
  const rest = toasts.value.filter((one) => one !== same).slice(1 - MOST);
  lastId += 1;
  const toast: Toast = { id: lastId, kind, message, times: (same?.times ?? 0) + 1 };
  if (action) toast.action = action;
  toasts.value = [...rest, toast];
  return toast.id;
}

export function dismissToast(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** Says what was thrown, unless it was an abort. */
export function showError(error: unknown): void {
  if (!isAbort(error)) showToast(messageOf(error), "error");
}
