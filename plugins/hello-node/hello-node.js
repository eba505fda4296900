#!/usr/bin/env node
// hello-node: a toru plugin with nothing but Node. Copy it and make it yours.
//
// toru runs an executable file `<plugins>/<anything>.binary` twice: once with `--metadata`, to learn what
// it is, and then as a process of its own, to which it talks in lines of JSON over a Unix socket.

"use strict";
const fs = require("node:fs");
const net = require("node:net");

// What toru shows of the plugin, and where its requests come in: /api/plugins/route/hello-node/...
const METADATA = {
  id: "hello-node",
  name: "Hello from Node",
  version: "1.0.0",
  icon: "🟩",
  route: "/hello-node",
  author: "The toru authors",
  description: "An example in JavaScript, by hand.",
  protocol: "2",
  // Only what is really done below. Without any, a plugin is as correct.
  capabilities: ["ping"],
};

// The plugin's view in the dashboard: these two run in the browser of whoever opens the plugin there, to which
// toru brings them as `/bundle.js`. What they do not catch, the dashboard shows.
async function mount(container, api) {
  const key = `user/${api.user.id}/name`;
  container.innerHTML = `
    <style>
      .hello { display: grid; gap: 1rem; max-width: 26rem; padding: 1.5rem; border: 1px solid var(--toru-color-border);
        border-radius: calc(2 * var(--toru-radius)); background: var(--toru-color-surface) }
      .hello input, .hello button { box-sizing: border-box; width: 100%; height: 2.25rem; padding: 0 0.75rem; font: inherit;
        border: 1px solid var(--toru-color-border-strong); border-radius: var(--toru-radius) }
      .hello input { margin-top: 0.25rem; background: var(--toru-color-background); color: inherit }
      .hello button { border-color: transparent; background: var(--toru-color-accent); color: var(--toru-color-accent-contrast) }
      .hello output { font-size: 1.25rem; overflow-wrap: anywhere }
    </style>
    <form class="hello">
      <output></output>
      <label>Your name <input maxlength="80" autocomplete="off"></label>
      <button>Say hello, and remember me</button>
    </form>`;
  const [form, input, greeting] = ["form", "input", "output"].map((name) => container.querySelector(name));
  const greet = async () => {
    const answer = await api.fetch(`/?name=${encodeURIComponent(input.value)}`);
    greeting.textContent = await answer.text(); // Never innerHTML: it is text, not markup.
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    await api.kv.set(key, input.value);
    await greet();
    api.showToast("Your name is remembered.", "success");
  };
  input.value = (await api.kv.get(key)) ?? "";
  await greet();
}

function unmount(container) {
  container.replaceChildren();
}

const BUNDLE = `export ${mount}\n\nexport ${unmount}\n`;

const text = (status, body, kind = "plain") => {
  return { status, headers: { "content-type": `text/${kind}; charset=utf-8` }, body };
};

// The `http` payload that answers the payload of a request. It may as well take its time: toru sends
// further requests meanwhile, and the answers may come in any order.
async function answer(request) {
  // What stands behind /api/plugins/route/hello-node, still percent-encoded, with its query.
  const [path, ...rest] = request.path.split("?");
  const query = Object.fromEntries(new URLSearchParams(rest.join("?")));
  if (path === "/") return text(200, `Hello, ${query.name || "world"}, from Node!\n`);
  if (path === "/bundle.js") return text(200, BUNDLE, "javascript");
  if (path === "/request") {
    const { method, headers, body } = request;
    const shown = JSON.stringify({ method, path, query, headers, body }) + "\n";
    return { status: 200, headers: { "content-type": "application/json" }, body: shown };
  }
  if (path === "/echo") {
    // A body that is no UTF-8 text comes in base64, which `body_encoding` says; it goes back the same way.
    const { headers, body, body_encoding = "utf-8" } = request;
    const kind = headers["content-type"] || "application/octet-stream";
    return { status: 200, headers: { "content-type": kind }, body, body_encoding };
  }
  return text(404, `There is nothing at ${path}\n`);
}

async function handle(line, connection) {
  const { type, request_id, payload } = JSON.parse(line);
  // `request_id` tells toru which request this answers. JSON.stringify leaves no newline inside.
  const reply = (type, payload) => connection.write(JSON.stringify({ type, request_id, payload }) + "\n");
  if (type === "http") {
    console.log(payload.method, payload.path); // What is printed is the plugin's log.
    try {
      reply("http", await answer(payload));
    } catch (error) {
      console.error(error); // With its stack.
      reply("error", { message: String(error) }); // One bad request fails alone; toru answers it with 502.
    }
  } else if (type === "lifecycle" && payload?.action === "ping") {
    reply("lifecycle", { action: "pong" });
  } else if (type === "lifecycle" && payload?.action === "shutdown") {
    leave();
  }
  // `init`, the first message of a connection, needs no answer, and what is unknown is ignored: newer
  // versions of toru may say more.
}

function serve(connection) {
  let begun = ""; // The line whose end has not come yet.
  connection.setEncoding("utf8");
  connection.on("data", (chunk) => {
    const lines = chunk.split("\n");
    lines[0] = begun + lines[0];
    begun = lines.pop();
    for (const line of lines) handle(line, connection).catch((error) => connection.destroy(error));
  });
  // Lost, or no JSON: toru connects again.
  connection.on("error", (error) => console.error("connection closed:", error.message));
}

function leave() {
  fs.rmSync(process.env.TORU_PLUGIN_SOCKET, { force: true });
  process.exit(0);
}

if (process.argv.includes("--metadata")) {
  console.log(JSON.stringify(METADATA));
} else {
  // After five seconds of patience toru sends SIGTERM.
  process.on("SIGTERM", leave);
  // A socket left by a process that was killed: listen() would refuse it.
  fs.rmSync(process.env.TORU_PLUGIN_SOCKET, { force: true });
  net.createServer(serve).listen(process.env.TORU_PLUGIN_SOCKET);
}
