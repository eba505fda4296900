import { defineConfig } from "vitest/config";
import { compress } from "./build/compress.ts";
import { font } from "./build/font.ts";
import { head } from "./build/head.ts";

// A core that runs on another port: TORU_CORE=http://127.0.0.1:3001 npm run dev
const proxy = { "/api": { target: process.env.TORU_CORE ?? "http://127.0.0.1:3000", ws: true } };

export default defineConfig({
  plugins: [head(), font(), compress()],
  server: { proxy },
  preview: { proxy },
  build: {
    target: "es2022",
    // `light-dark()` and nesting go out as they are written.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // What several pages share comes at once: a file for each small part costs a request of its own.
    rolldownOptions: {
      output: {
        // Chromium then compiles the functions while the file comes in, and not one by one when they are called.
        postBanner: (chunk) =>
          chunk.isEntry || chunk.name === "shared" ? "//# allFunctionsCalledOnLoad" : "",
        codeSplitting: {
          groups: [{ name: "shared", test: /node_modules|src\/(ui|state|api)\//, minShareCount: 2 }],
        },
      },
    },
    license: { fileName: "licences.txt" },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
