/** The lines for a filter; those for the one before stay until they are there. */
import { effect } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { opens } from "../../state/connection";
import { LogFeed } from "./feed";
import type { LogFilter } from "./filter";

/** Null until the first lines are there, or it is known why not. */
export function useFeed(id: string, filter: LogFilter): LogFeed | null {
  const [shown, setShown] = useState<LogFeed | null>(null);

  useEffect(() => {
    const feed = new LogFeed(id, filter);
    const forget = effect(() => {
      if (feed.state.value !== "loading") setShown(feed);
    });
    const stopWatching = opens.subscribe(() => feed.retry());
    return () => {
      forget();
      stopWatching();
      feed.close();
    };
  }, [id, filter]);

  return shown;
}
