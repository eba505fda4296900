/**
 * Finishes index.html: what has to run first does, the font is asked for at once, and the frame of the shell is painted
 * before the other styles have come.
 */
import { readFileSync } from "node:fs";
import type { HtmlTagDescriptor, Plugin } from "vite";

const FIRST = new URL("first.js", import.meta.url);
const STYLES = ["tokens.css", "frame.css"].map((name) => new URL(`../src/styles/${name}`, import.meta.url));
const STYLESHEET = /\s*<link rel="stylesheet"[^>]*>/g;

export function head(): Plugin {
  let building = false;
  return {
    name: "head",
    configResolved: (config) => {
      building = config.command === "build";
    },
    buildStart() {
      if (building) this.emitFile({ type: "asset", name: "first.js", source: readFileSync(FIRST, "utf8") });
    },
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle }) {
        const files = Object.values(bundle ?? {});
        const font = files.find((file) => file.fileName.endsWith(".woff2"));
        const styles = STYLES.map(withoutComments).join("");
        const tags: HtmlTagDescriptor[] = [
          {
            tag: "style",
            children: styles.replace(
              "@font/inter.woff2",
              `/${font?.fileName ?? "node_modules/.font/inter.woff2"}`,
            ),
            injectTo: "head",
          },
        ];
        const script = files.find((file) => file.type === "asset" && file.names.includes("first.js"));
        if (script)
          tags.push({ tag: "script", attrs: { src: `/${script.fileName}` }, injectTo: "head-prepend" });
        if (font) {
          const attrs = {
            rel: "preload",
            href: `/${font.fileName}`,
            as: "font",
            type: "font/woff2",
            crossorigin: true,
          };
          tags.push({ tag: "link", attrs, injectTo: "head-prepend" });
        }
        // In the head they hold up everything; here only the program, which comes after them.
        const sheets = html.match(STYLESHEET) ?? [];
        return {
          html: html.replace(STYLESHEET, "").replace("</body>", `${sheets.join("")}\n  </body>`),
          tags,
        };
      },
    },
  };
}

function withoutComments(file: URL): string {
  return readFileSync(file, "utf8")
    .replace(/\/\*.*?\*\//gs, "")
    .replace(/\s+/g, " ");
}
