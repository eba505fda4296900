#!/usr/bin/env python3
"""A board that everybody sees change: WebSockets, a stream of events and uploads, with async handlers."""

import asyncio

from toru.plugin import AsyncWebSocket, Plugin, Request

plugin = Plugin(id="live-board", name="Live board", version="1.0.0", icon="📡")
readers: set[asyncio.Queue[str]] = set()


def publish(text: str) -> None:
    for reader in readers:
        reader.put_nowait(text)


@plugin.get("/events")
async def events(request: Request):
    reader: asyncio.Queue[str] = asyncio.Queue()
    readers.add(reader)
    try:
        while True:
            yield f"data: {await reader.get()}\n\n"
    finally:
        readers.discard(reader)


@plugin.websocket("/board")
async def board(socket: AsyncWebSocket):
    async for message in socket:
        publish(f"{socket.request.user}: {message}")
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
