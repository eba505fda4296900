/** Search, filter and sort, all kept in the address. */
import { useEffect, useRef } from "preact/hooks";
import { navigate } from "../../navigation";
import { pluginList } from "../../state/plugins";
import utilities from "../../styles/utilities.module.css";
import { managerTexts } from "../../texts";
import { SearchInput, Select } from "../../ui/Field";
import { openModals } from "../../ui/openModals";
import { useId } from "../../ui/useId";
import { isShown } from "./arrange";
import styles from "./Toolbar.module.css";
import { addressOf, SHOWS, SORTS, type Sort, type View } from "./view";

export function Toolbar({ view, shown }: { view: View; shown: number }) {
  const id = useId();
  const search = useRef<HTMLDivElement>(null);
  const plugins = pluginList.value;
  const change = (more: Partial<View>) => navigate(addressOf({ ...view, ...more }), { replace: true });

  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const plain = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey;
      if (!plain || openModals.peek().length || isTypedInto(event.target)) return;
      event.preventDefault();
      search.current?.querySelector("input")?.focus();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);

  return (
    <div class={styles.bar}>
      <div class={styles.search} ref={search}>
        <SearchInput
          label={managerTexts.search}
          placeholder={managerTexts.searchHint}
          value={view.q}
          onSearch={(q) => change({ q })}
        />
      </div>
      <fieldset class={styles.shows}>
        <legend class={utilities.hidden}>{managerTexts.show}</legend>
        {SHOWS.map((show) => (
          <label key={show} class={styles.show}>
            <input
              type="radio"
              class={utilities.hidden}
              name={id}
              checked={view.show === show}
              onChange={() => change({ show })}
            />
            {managerTexts.shows[show]}
            <span class={styles.count}>{plugins.filter((plugin) => isShown(plugin, show)).length}</span>
          </label>
        ))}
      </fieldset>
      <p class={shown === plugins.length ? utilities.hidden : styles.shown} role="status">
        {managerTexts.shown(shown, plugins.length)}
      </p>
      <label class={styles.sort} for={`${id}-sort`}>
        {managerTexts.sort}
      </label>
      <Select
        id={`${id}-sort`}
        value={view.sort}
        onChange={(event) => change({ sort: event.currentTarget.value as Sort })}
      >
        {SORTS.map((sort) => (
          <option key={sort} value={sort}>
            {managerTexts.sorts[sort]}
          </option>
        ))}
      </Select>
    </div>
  );
}

function isTypedInto(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}
