"""What the examples of the kit do that their readers will copy."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

import pytest

from tests.languages.documents import ROOT
from toru.plugin.testing import TestClient


@pytest.fixture
def board() -> Any:
    """The live board, loaded anew."""
    spec = importlib.util.spec_from_file_location("live_board", ROOT / "plugins/live-board/plugin.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_the_board_says_is_a_stream_of_events(board: Any) -> None:
    async def speak() -> None:
        while not board.readers:
            await asyncio.sleep(0)
        board.publish("one\n\ndata: two")

    async def begin(request: object) -> None:
        board.speaking = asyncio.create_task(speak())

    board.plugin.get("/speak")(begin)
    with TestClient(board.plugin) as client:
        client.get("/speak")
        with client.stream("GET", "/events") as reply:
            assert reply.headers["content-type"] == "text/event-stream"
            assert next(iter(reply)) == b'data: "one\\n\\ndata: two"\n\n'
        assert not board.readers


def test_who_reads_slowly_misses_the_oldest(board: Any) -> None:
    reader: asyncio.Queue[str] = asyncio.Queue(board.BEHIND)
    board.readers.add(reader)
    for number in range(board.BEHIND + 5):
        board.publish(str(number))
    assert reader.qsize() == board.BEHIND
    assert reader.get_nowait() == "5"
