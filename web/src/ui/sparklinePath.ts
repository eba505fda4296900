/** The path of a small line chart: pure. */

/** One moved-to and line-to list for each unbroken stretch, the newest value at the right edge. */
export function sparklinePath(
  values: ArrayLike<number>,
  slots: number,
  width: number,
  height: number,
  most: number,
): string {
  const step = width / Math.max(slots - 1, 1);
  const first = slots - values.length;
  let path = "";
  let drawing = false;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? Number.NaN;
    if (Number.isNaN(value)) {
      drawing = false;
      continue;
    }
    const y = height - (Math.min(Math.max(value, 0), most) / (most || 1)) * height;
    path += `${drawing ? "L" : "M"}${fixed((first + index) * step)} ${fixed(y)}`;
    drawing = true;
  }
  return path;
}

/** The same stretches, each closed down to the ground. */
export function areaPath(line: string, height: number): string {
  return line
    .split("M")
    .filter(Boolean)
    .map((stretch) => {
      const points = stretch.split("L");
      const start = points[0]?.split(" ")[0] ?? "0";
      const end = points.at(-1)?.split(" ")[0] ?? "0";
      return `M${start} ${height}L${stretch}L${end} ${height}Z`;
    })
    .join("");
}

function fixed(value: number): string {
  return String(Math.round(value * 10) / 10);
}
