/** Which of several things the arrow keys, Home and End lead to. */
export function stepTo(
  event: KeyboardEvent,
  at: number,
  count: number,
  direction: "horizontal" | "vertical",
): number | null {
  const [back, forth] = direction === "horizontal" ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
  const next = { [back as string]: at - 1, [forth as string]: at + 1, Home: 0, End: count - 1 }[event.key];
  if (next === undefined || !count) return null;
  event.preventDefault();
  return (next + count) % count;
}
