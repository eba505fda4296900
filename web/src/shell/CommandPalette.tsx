/** Go anywhere and do anything by typing a few letters of it. */
import { Search } from "lucide-preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { pluginList } from "../state/plugins";
import { isAdmin } from "../state/session";
import utilities from "../styles/utilities.module.css";
import { paletteTexts } from "../texts";
import { cx } from "../ui/cx";
import { Highlight } from "../ui/Highlight";
import { Modal } from "../ui/Modal";
import { PluginIcon } from "../ui/PluginIcon";
import { useId } from "../ui/useId";
import styles from "./CommandPalette.module.css";
import { allCommands, type Command, type CommandGroup, type FoundCommand, findCommands } from "./commands";
import { paletteIsOpen } from "./layout";

export function CommandPalette() {
  const base = useId();
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const plugins = pluginList.value;
  const admin = isAdmin.value;
  const groups = useMemo(
    () => grouped(findCommands(allCommands(plugins, admin), query)),
    [plugins, admin, query],
  );
  const found = groups.flatMap(([, commands]) => commands);
  const current = found[Math.min(at, found.length - 1)];

  useEffect(() => {
    if (current)
      document.getElementById(optionId(base, current.command))?.scrollIntoView({ block: "nearest" });
  }, [base, current]);

  function pressed(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) {
      event.preventDefault();
      setAt((Math.min(at, found.length - 1) + step + found.length) % found.length);
    } else if (event.key === "Enter" && !event.isComposing && current) {
      event.preventDefault();
      choose(current.command);
    }
  }

  return (
    <Modal label={paletteTexts.title} class={styles.palette} onClose={close}>
      <div class={styles.inside}>
        <div class={styles.query}>
          <Search size={17} aria-hidden="true" />
          <input
            class={styles.input}
            role="combobox"
            aria-expanded="true"
            aria-controls={`${base}-list`}
            aria-activedescendant={current ? optionId(base, current.command) : undefined}
            aria-autocomplete="list"
            aria-label={paletteTexts.placeholder}
            placeholder={paletteTexts.placeholder}
            autocomplete="off"
            spellcheck={false}
            value={query}
            onInput={(event) => {
              setQuery(event.currentTarget.value);
              setAt(0);
            }}
            onKeyDown={pressed}
          />
        </div>
        <div class={styles.list} role="listbox" id={`${base}-list`} aria-label={paletteTexts.results}>
          {groups.map(([group, commands]) => (
            // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be within a listbox
            <div key={group} role="group" aria-labelledby={`${base}-${group}`}>
              <div class={styles.group} id={`${base}-${group}`}>
                {paletteTexts.groups[group]}
              </div>
              {commands.map((one) => (
                <Option
                  key={one.command.id}
                  id={optionId(base, one.command)}
                  found={one}
                  selected={one === current}
                  onPoint={() => setAt(found.indexOf(one))}
                />
              ))}
            </div>
          ))}
        </div>
        {!found.length && <p class={styles.none}>{paletteTexts.none(query)}</p>}
        <p class={utilities.hidden} role="status">
          {paletteTexts.found(found.length)}
        </p>
        <p class={styles.help} aria-hidden="true">
          <kbd>↑</kbd>
          <kbd>↓</kbd> {paletteTexts.move}
          <kbd>↵</kbd> {paletteTexts.open}
          <kbd>Esc</kbd> {paletteTexts.dismiss}
        </p>
      </div>
    </Modal>
  );
}

interface OptionProps {
  id: string;
  found: FoundCommand;
  selected: boolean;
  onPoint: () => void;
}

function Option({ id, found: { command, ranges }, selected, onPoint }: OptionProps) {
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the combobox
    // biome-ignore lint/a11y/useKeyWithClickEvents: the combobox takes the keys
    <div
      id={id}
      role="option"
      class={cx(styles.option, selected && styles.selected)}
      aria-selected={selected}
      onPointerMove={selected ? undefined : onPoint}
      onClick={() => choose(command)}
    >
      <CommandIcon icon={command.icon} />
      <span class={utilities.ellipsis}>
        <Highlight text={command.label} ranges={ranges} />
      </span>
    </div>
  );
}

function CommandIcon({ icon }: { icon: Command["icon"] }) {
  if (typeof icon === "object") return <PluginIcon plugin={icon} size="s" />;
  const Icon = icon;
  return (
    <span class={styles.icon}>
      <Icon size={16} aria-hidden="true" />
    </span>
  );
}

function choose(command: Command): void {
  close();
  command.run();
}

function close(): void {
  paletteIsOpen.value = false;
}

function optionId(base: string, command: Command): string {
  return `${base}-${command.id}`;
}

/** In the order of the best of each group. */
function grouped(found: readonly FoundCommand[]): [CommandGroup, FoundCommand[]][] {
  const groups = new Map<CommandGroup, FoundCommand[]>();
  for (const one of found) {
    const group = groups.get(one.command.group) ?? [];
    group.push(one);
    groups.set(one.command.group, group);
  }
  return [...groups];
}
