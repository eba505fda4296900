#!/usr/bin/env python3
"""hello-python: a toru plugin with nothing but Python's standard library. Copy it and make it yours.

toru runs an executable file `<plugins>/<anything>.binary` twice: once with `--metadata`, to learn what it
is, and then as a process of its own, to which it talks in lines of JSON over a Unix socket.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path
from urllib.parse import parse_qsl

# What toru shows of the plugin, and where its requests come in: /api/plugins/route/hello-python/...
METADATA = {
    "id": "hello-python",
    "name": "Hello from Python",
    "version": "1.0.0",
    "icon": "🐍",
    "route": "/hello-python",
    "author": "The toru authors",
    "description": "An example in Python, by hand.",
    "protocol": "2",
    # Only what is really done below. Without any, a plugin is as correct.
    "capabilities": ["ping"],
}


# toru asks for it at `/bundle.js`; it runs in the browser of whoever opens the plugin there.
BUNDLE = """\
// The plugin's view in the dashboard. What it does not catch, the dashboard shows.
export async function mount(container, api) {
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

export function unmount(container) {
  container.replaceChildren();
}
"""


def text(status, body, kind="plain"):
    return {"status": status, "headers": {"content-type": f"text/{kind}; charset=utf-8"}, "body": body}


def answer(request):
    """The `http` payload that answers the payload of a request."""
    # What stands behind /api/plugins/route/hello-python, still percent-encoded, with its query.
    path, _, query = request["path"].partition("?")
    fields = dict(parse_qsl(query, keep_blank_values=True))
    if path == "/":
        return text(200, f"Hello, {fields.get('name') or 'world'}, from Python!\n")
    if path == "/bundle.js":
        return text(200, BUNDLE, "javascript")
    if path == "/request":
        shown = {"method": request["method"], "path": path, "query": fields}
        shown.update(headers=request["headers"], body=request["body"])
        body = json.dumps(shown, ensure_ascii=False) + "\n"
        return {"status": 200, "headers": {"content-type": "application/json"}, "body": body}
    if path == "/echo":
        # A body that is no UTF-8 text comes in base64, which `body_encoding` says; it goes back the same way.
        kind = request["headers"].get("content-type", "application/octet-stream")
        reply = {"status": 200, "headers": {"content-type": kind}, "body": request["body"]}
        return {**reply, "body_encoding": request.get("body_encoding", "utf-8")}
    return text(404, f"There is nothing at {path}\n")


def reply_to(message):
    """The message that answers `message`, or None where none is due."""
    kind, payload = message["type"], message.get("payload") or {}
    action = payload.get("action") if kind == "lifecycle" else None
    if kind == "http":
        # What is printed is the plugin's log. Flush, or it comes late.
        print(payload["method"], payload["path"], flush=True)
        try:
            return {"type": "http", "request_id": message["request_id"], "payload": answer(payload)}
        except Exception as error:  # One bad request fails alone; toru answers it with 502.
            return {"type": "error", "request_id": message["request_id"], "payload": {"message": repr(error)}}
    if action == "ping":
        return {"type": "lifecycle", "request_id": message["request_id"], "payload": {"action": "pong"}}
    if action == "shutdown":
        sys.exit(0)
    # `init`, the first message of a connection, needs no answer, and what is unknown is ignored:
    # newer versions of toru may say more.
    return None


def serve(connection):
    """Answers, one after the other, the requests of a connection until it ends."""
    with connection, connection.makefile("rb") as lines:
        for line in lines:
            reply = reply_to(json.loads(line))
            if reply:
                # `request_id` tells toru which request this answers. dumps() leaves no newline inside.
                connection.sendall(json.dumps(reply).encode() + b"\n")


def main():
    if "--metadata" in sys.argv[1:]:
        print(json.dumps(METADATA))
        return
    path = Path(os.environ["TORU_PLUGIN_SOCKET"])
    # After five seconds of patience toru sends SIGTERM: leave through `finally` below then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    path.unlink(missing_ok=True)  # Left by a process that was killed; bind() would refuse it.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        try:
            listener.listen()
            while True:
                try:
                    serve(listener.accept()[0])
                except (OSError, ValueError) as error:  # Lost, or no JSON: toru connects again.
                    print("connection closed:", error, file=sys.stderr, flush=True)
        finally:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
