/** Asks who this is, and for what most pages show, before anything else of the program runs. */
import { refreshPlugins } from "./state/plugins";
import { loadSession, wasSignedIn } from "./state/session";

void loadSession(wasSignedIn.peek() === "yes" ? refreshPlugins() : Promise.resolve());
