/** Cuts the font down to the letters and weights that there is a use for (by almost a half), its licence beside it. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import subsetFont from "subset-font";
import type { Plugin } from "vite";

const INTER = new URL("../node_modules/@fontsource-variable/inter/", import.meta.url);
const CUT = new URL("../node_modules/.font/", import.meta.url);

// ASCII, the accents of Europe's languages, and signs that texts hold. Anything else comes from the system's font.
const LETTERS = `${between(0x20, 0x7e)}${between(0xa0, 0x17f)}–—‘’“”„…•·×−€™←↑→↓↵`;
const WEIGHTS = { min: 400, max: 700 };

export function font(): Plugin {
  let building = false;
  return {
    name: "font",
    configResolved: (config) => {
      building = config.command === "build";
    },
    async buildStart() {
      const whole = await readFile(new URL("files/inter-latin-wght-normal.woff2", INTER));
      const cut = await subsetFont(whole, LETTERS, {
        targetFormat: "woff2",
        variationAxes: { wght: WEIGHTS },
      });
      await mkdir(CUT, { recursive: true });
      await writeFile(new URL("inter.woff2", CUT), cut);
      if (building) this.emitFile({ type: "asset", name: "inter.woff2", source: cut });
    },
    async generateBundle() {
      const source = await readFile(new URL("LICENSE", INTER));
      this.emitFile({ type: "asset", fileName: "licence-inter.txt", source });
    },
  };
}

function between(first: number, last: number): string {
  return String.fromCodePoint(...Array.from({ length: last - first + 1 }, (_, index) => first + index));
}
