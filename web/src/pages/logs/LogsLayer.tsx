/** A plugin's logs over whatever page one is on, once somebody opened them with `openLogs`. */
import { Maximize2 } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { navigate, paths } from "../../navigation";
import { pluginOf } from "../../state/plugins";
import { isAdmin } from "../../state/session";
import { logsTexts } from "../../texts";
import { Dialog } from "../../ui/Dialog";
import { IconButton } from "../../ui/IconButton";
import { lazyPage } from "../../ui/lazyPage";
import { closeLogs, openedLogs } from "./open";

const logView = lazyPage<{ id: string }>(() => import("./LogView"));

export function LogsLayer() {
  const id = openedLogs.value;
  const [path] = useLocation();
  const shownOn = useRef(path);

  useEffect(() => {
    if (shownOn.current !== path) closeLogs();
    shownOn.current = path;
  }, [path]);

  if (id === null || !isAdmin.value) return null;
  const wholePage = (
    <IconButton
      icon={Maximize2}
      label={logsTexts.asPage}
      onClick={() => {
        closeLogs();
        navigate(paths.logs(id));
      }}
    />
  );
  return (
    <Dialog
      title={logsTexts.title(pluginOf(id).value?.name ?? id)}
      size="full"
      actions={wholePage}
      onClose={closeLogs}
    >
      <logView.Page key={id} id={id} />
    </Dialog>
  );
}
