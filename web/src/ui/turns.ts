/**
 * One thing at a time is drawn in each frame, of what a page has at its start: so it is painted soon, and whoever presses
 * something meanwhile is heard.
 */
let waiting: (() => void)[] = [];

function drawNext(): void {
  waiting.shift()?.();
  if (waiting.length) soon(drawNext);
}

function soon(work: () => void): void {
  // A tab that nobody sees has no frames; its title comes with its page.
  if (document.hidden) setTimeout(work);
  else requestAnimationFrame(work);
}

/** Calls `draw` in a frame of its own, after all that wait already. Returns what calls that off. */
export function inTurn(draw: () => void): () => void {
  if (!waiting.length) soon(drawNext);
  waiting.push(draw);
  return () => {
    waiting = waiting.filter((each) => each !== draw);
  };
}
