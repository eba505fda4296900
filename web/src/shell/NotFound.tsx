/** For an address that is no page, or none for this user. */
import { Compass } from "lucide-preact";
import { paths } from "../navigation";
import { errorTexts } from "../texts";
import { ButtonLink } from "../ui/Button";
import { Empty } from "../ui/Empty";
import { Page } from "../ui/Page";

export function NotFound() {
  return (
    <Page title={errorTexts.notFound}>
      <Empty icon={Compass} title={errorTexts.notFoundHint}>
        <ButtonLink href={paths.home}>{errorTexts.toPlugins}</ButtonLink>
      </Empty>
    </Page>
  );
}
