/** How high a line will be, before it is drawn. */
import type { Line } from "./line";
import { shownOf } from "./shown";

const DIVIDER = 28;
const PADDING = 4;
// What stands beside the message: as LineRow.module.css has it.
const BESIDE = 230;
const NARROW = 480;

/** For lines in that element, as wide as it is now. */
export function estimator(element: HTMLElement, wrap: boolean): (line: Line) => number {
  const style = getComputedStyle(element);
  const lineHeight = Number.parseFloat(style.lineHeight);
  const narrow = element.clientWidth < NARROW;
  const columns = Math.max(
    10,
    Math.floor((element.clientWidth - (narrow ? 40 : BESIDE)) / letterWidth(style.font)),
  );
  return (line) => {
    const dividers = (Number(line.newDay) + Number(line.newPid)) * DIVIDER;
    const rows = wrap ? rowsOf(line, columns) : 1;
    return dividers + PADDING + (rows + Number(narrow)) * lineHeight;
  };
}

function rowsOf({ record }: Line, columns: number): number {
  const { message } = record;
  if (message.length < columns && !message.includes("\n")) return 1;
  const { text } = shownOf(message, "", true, false);
  return text.split("\n").reduce((sum, row) => sum + Math.max(1, Math.ceil(row.length / columns)), 0);
}

function letterWidth(font: string): number {
  const context = document.createElement("canvas").getContext("2d");
  if (!context) return 8;
  context.font = font;
  return context.measureText("0".repeat(50)).width / 50;
}
