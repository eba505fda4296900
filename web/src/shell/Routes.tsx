/** Which page is at which path, and for whom. */
import { Redirect, Route, Switch } from "wouter-preact";
import { paths } from "../navigation";
import { ManagerPage } from "../pages/manager";
import { isAdmin } from "../state/session";
import { NotFound } from "./NotFound";
import { accountPage, eventsPage, logsPage, pluginPage, usersPage } from "./pages";

export function Routes() {
  const admin = isAdmin.value;
  return (
    <Switch>
      <Route path="/">
        <Redirect to={paths.home} replace />
      </Route>
      <Route path="/plugins">
        <ManagerPage />
      </Route>
      <Route path="/plugin/:id">{({ id }) => <pluginPage.Page key={id} id={id} />}</Route>
      <Route path="/account">
        <accountPage.Page />
      </Route>
      <Route path="/plugin/:id/logs">{({ id }) => <logsPage.Page key={id} id={id} />}</Route>
      <Route path="/events">
        <eventsPage.Page />
      </Route>
      {admin && (
        <Route path="/users">
          <usersPage.Page />
        </Route>
      )}
      <Route>
        <NotFound />
      </Route>
    </Switch>
  );
}
