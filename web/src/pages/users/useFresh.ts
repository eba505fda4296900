/** Loads a list again when somebody changed it, in whichever browser, and after the live stream was away. */
import { useEffect, useRef } from "preact/hooks";
import { opens } from "../../state/connection";
import { liveEvents } from "../../state/events";

/** `path`: of the calls that change it. */
export function useFresh(path: string, reload: () => void): void {
  const changed = liveEvents.value.find(
    ({ type, details }) => type === "admin-action" && String(details.what).includes(` ${path}`),
  )?.id;
  const version = `${opens.value} ${changed ?? ""}`;
  const loaded = useRef(version);

  useEffect(() => {
    if (loaded.current === version) return;
    loaded.current = version;
    reload();
  }, [version, reload]);
}
