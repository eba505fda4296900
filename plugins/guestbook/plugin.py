#!/usr/bin/env python3
"""A guest book: whoever may see it may write into it, and toru keeps it."""

import json
import os
import time

from toru.plugin import HTTPError, Plugin, Request, Response

plugin = Plugin(id="guestbook", name="Guest book", version="1.0.0", icon="📖")


@plugin.get("/")
def entries(request: Request):
    return [json.loads(plugin.kv.get(key) or "{}") for key in plugin.kv.keys("entry/")]


@plugin.post("/")
def sign(request: Request):
    text = request.text().strip()
    if not text:
        raise HTTPError(400, "Say something, at least.")
    entry = {"from": request.user, "text": text}
    plugin.kv.set(f"entry/{time.time():.6f}-{os.urandom(4).hex()}", json.dumps(entry))
    plugin.log.info("somebody signed", user=request.user)
    return Response(entry, status=201)


if __name__ == "__main__":
    plugin.run()
