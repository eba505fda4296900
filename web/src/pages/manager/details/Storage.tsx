/** What a plugin stores: its keys, and one of them where it is opened. */
import { useState } from "preact/hooks";
import { unlessUnsaved } from "./draft";
import { KeyEditor } from "./KeyEditor";
import { KeyList } from "./KeyList";
import { NewKey } from "./NewKey";

type Place = { at: "list" } | { at: "new" } | { at: "key"; key: string };

export function Storage({ id }: { id: string }) {
  const [place, setPlace] = useState<Place>({ at: "list" });
  // Of the list, which stays as it was while one looks at a key.
  const [prefix, setPrefix] = useState("");
  const back = () => unlessUnsaved(() => setPlace({ at: "list" }));
  const open = (key: string) => setPlace({ at: "key", key });

  switch (place.at) {
    case "list":
      return (
        <KeyList
          id={id}
          prefix={prefix}
          onPrefix={setPrefix}
          onOpen={open}
          onNew={() => setPlace({ at: "new" })}
        />
      );
    case "new":
      return <NewKey id={id} prefix={prefix} onBack={back} onDone={open} />;
    case "key":
      return <KeyEditor key={place.key} id={id} name={place.key} onBack={back} />;
  }
}
