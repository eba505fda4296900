/**
 * What a page has to draw at its start is drawn one after the other, no more in a frame than there is time for: so it is
 * painted soon, and whoever presses something meanwhile is heard.
 */

// Milliseconds of a frame; what the browser then does for what was drawn takes about as long again.
const BUDGET = 6;

let waiting: (() => void)[] = [];
let due = false;

async function drawSome(): Promise<void> {
  const end = performance.now() + BUDGET;
  do {
    waiting.shift()?.();
    // Only behind this is it drawn, and what is to be drawn next may wait.
    await Promise.resolve();
  } while (waiting.length && performance.now() < end);
  due = false;
  if (waiting.length) soon();
}

function soon(): void {
  due = true;
  // A tab that nobody sees has no frames; its title comes with its page.
  if (document.hidden) setTimeout(drawSome);
  else requestAnimationFrame(drawSome);
}

/** Calls `draw` in a frame to come, after all that wait already. Returns what calls that off. */
export function inTurn(draw: () => void): () => void {
  waiting.push(draw);
  if (!due) soon();
  return () => {
    waiting = waiting.filter((each) => each !== draw);
  };
}
