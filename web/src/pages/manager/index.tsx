/** All plugins: for admins with figures and controls, for everybody else as a way to them. */
import { isAdmin } from "../../state/session";
import { Manager } from "./Manager";
import { Overview } from "./Overview";

export function ManagerPage() {
  return isAdmin.value ? <Manager /> : <Overview />;
}
