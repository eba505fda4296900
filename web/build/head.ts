/** Finishes the head of index.html: what has to run first does, and the font is asked for at once. */
import { readFileSync } from "node:fs";
import type { HtmlTagDescriptor, Plugin } from "vite";

const FIRST = new URL("first.js", import.meta.url);

export function head(): Plugin {
  return {
    name: "head",
    apply: "build",
    buildStart() {
      this.emitFile({ type: "asset", name: "first.js", source: readFileSync(FIRST, "utf8") });
    },
    transformIndexHtml: {
      order: "post",
      handler(_, { bundle }) {
        const tags: HtmlTagDescriptor[] = [];
        const files = Object.values(bundle ?? {});
        const script = files.find((file) => file.type === "asset" && file.names.includes("first.js"));
        if (script)
          tags.push({ tag: "script", attrs: { src: `/${script.fileName}` }, injectTo: "head-prepend" });
        const font = files.find((file) => file.fileName.endsWith(".woff2"));
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
        return tags;
      },
    },
  };
}
