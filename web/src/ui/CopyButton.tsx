/** Puts a text into the clipboard, and says so. */
import { Check, Copy } from "lucide-preact";
import { useEffect, useState } from "preact/hooks";
import { showError } from "../state/toasts";
import { uiTexts } from "../texts";
import { IconButton } from "./IconButton";

/** `text` is asked for only when it is copied. */
export function CopyButton({
  text,
  label = uiTexts.copy,
}: {
  text: string | (() => string);
  label?: string;
}) {
  const [copied, setCopied] = useState(false);

  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);

  return (
    <IconButton
      size="s"
      icon={copied ? Check : Copy}
      label={copied ? uiTexts.copied : label}
      onClick={() =>
        copyText(typeof text === "string" ? text : text()).then(() => setCopied(true), showError)
      }
    />
  );
}

/** The clipboard is there only over HTTPS and on the machine itself. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  const place = document.activeElement?.closest("dialog") ?? document.body;
  const focused = document.activeElement;
  place.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!done) throw new Error(uiTexts.cannotCopy);
}
