/** Looks at the plugins folder again, and says what was found. */
import { api } from "../../api/client";
import { plugins, refreshPlugins } from "../../state/plugins";
import { showToast } from "../../state/toasts";
import { managerTexts } from "../../texts";
import { problems } from "./problems";

export async function rescan(): Promise<void> {
  const before = plugins.peek();
  const found = await api.rescan();
  problems.value = found.problems;
  await refreshPlugins();
  const names = (ids: readonly string[]) =>
    managerTexts.list(ids.map((id) => (plugins.peek().get(id) ?? before.get(id))?.name ?? id));
  const broken = found.problems.length ? managerTexts.broken(found.problems.length) : "";
  const news = found.added.length + found.removed.length + found.changed.length;
  showToast(
    managerTexts.rescanned(names(found.added), names(found.removed), names(found.changed), broken),
    news ? "success" : "info",
  );
}
