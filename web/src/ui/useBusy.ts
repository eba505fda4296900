/** Something that is under way at most once at a time. */
import { useRef, useState } from "preact/hooks";
import { showError } from "../state/toasts";

/** `run` ignores calls while one is under way. What is thrown goes to `onError`, else it becomes a toast. */
export function useBusy(): [
  busy: boolean,
  run: (work: () => Promise<unknown>, onError?: (error: unknown) => void) => Promise<void>,
] {
  const [busy, setBusy] = useState(false);
  const running = useRef(false);
  return [
    busy,
    async (work, onError = showError) => {
      if (running.current) return;
      running.current = true;
      setBusy(true);
      try {
        await work();
      } catch (error) {
        onError(error);
      } finally {
        running.current = false;
        setBusy(false);
      }
    },
  ];
}
