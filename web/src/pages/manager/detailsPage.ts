/** The details are fetched when somebody is about to look at them. */
import { lazyPage } from "../../ui/lazyPage";
import type { View } from "./view";

export const detailsPage = lazyPage<{ view: View }>(() => import("./details"));
