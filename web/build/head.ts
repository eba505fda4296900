/** Finishes the head of index.html: the font is asked for at once, and nothing is painted before the theme is known. */
import type { Plugin } from "vite";

export function head(): Plugin {
  return {
    name: "head",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler: (html, { bundle }) => {
        const font = Object.keys(bundle ?? {}).find((name) => name.endsWith(".woff2"));
        return {
          html: html.replace('<script type="module"', '<script type="module" blocking="render"'),
          tags: font
            ? [
                {
                  tag: "link",
                  attrs: {
                    rel: "preload",
                    href: `/${font}`,
                    as: "font",
                    type: "font/woff2",
                    crossorigin: true,
                  },
                  injectTo: "head-prepend" as const,
                },
              ]
            : [],
        };
      },
    },
  };
}
