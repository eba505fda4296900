/** Puts the parts together: who this is, styles and theme, the live stream, and what there is to see. */
import "./start";
import "./styles/base.css";
import "./state/theme";
import { computed, effect } from "@preact/signals";
import { render } from "preact";
import { paths } from "./navigation";
import { App } from "./shell/App";
import { preloadPage } from "./shell/pages";
import { startLive } from "./state/live";
import { sessionState, user } from "./state/session";

if (location.pathname !== paths.login) preloadPage(location.pathname);

const liveFor = computed(() =>
  sessionState.value === "in" || sessionState.value === "ended" ? user.value?.id : null,
);
effect(() => (liveFor.value ? startLive() : undefined));

const place = document.getElementById("app");
if (place) render(<App />, place);
