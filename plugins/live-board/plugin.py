#!/usr/bin/env python3
"""A board that everybody sees change: WebSockets, a stream of events and uploads, with async handlers."""

import asyncio
import json
from collections.abc import AsyncIterator

from toru.plugin import AsyncWebSocket, Plugin, Request, Response

plugin = Plugin(id="live-board", name="Live board", version="1.0.0", icon="📡")
readers: set[asyncio.Queue[str]] = set()
BEHIND = 100


def publish(text: str) -> None:
    for reader in readers:
        if reader.full():  # Who reads slowly misses the oldest; to keep all of it would take all memory.
            reader.get_nowait()
        reader.put_nowait(text)


@plugin.get("/events", stream=True)
async def events(request: Request):
    return Response(changes(), headers={"content-type": "text/event-stream"})


async def changes() -> AsyncIterator[str]:
    reader: asyncio.Queue[str] = asyncio.Queue(BEHIND)
    readers.add(reader)
    try:
        while True:
            # As JSON: a line break in the text would end the event.
            yield f"data: {json.dumps(await reader.get())}\n\n"
    finally:
        readers.discard(reader)


@plugin.websocket("/board")
async def board(socket: AsyncWebSocket):
    async for message in socket:
        text = message if isinstance(message, str) else message.decode(errors="replace")
        publish(f"{socket.request.user}: {text}")
        await socket.send(f"{len(readers)} saw that")


@plugin.post("/upload", stream=True)
async def upload(request: Request):
    size = 0
    async for part in request:
        size += len(part)
    publish(f"{request.user} uploaded {size:,} bytes")
    return {"size": size}


if __name__ == "__main__":
    plugin.run()
