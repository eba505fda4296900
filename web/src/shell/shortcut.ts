/** The keys of the command palette, as this machine has them. */
const isApple = /mac|iphone|ipad/i.test(navigator.platform);

export const paletteShortcut = isApple ? "⌘K" : "Ctrl K";

export function isPaletteShortcut(event: KeyboardEvent): boolean {
  const held = isApple ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
  return held && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k";
}
