"""A large answer, read to its end and no further."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest

from benchmarks.peers.client import Refused, closed, discard, readable

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(30)
    with ours, theirs:
        yield ours, theirs


def answer(ours: socket.socket) -> HTTPResponse:
    response = HTTPResponse(ours)
    response.begin()
    return response


@pytest.mark.parametrize(
    "whole", [PLAIN + b"x" * 10, CHUNKED + b"4\r\nxxxx\r\n6\r\nxxxxxx\r\n0\r\n\r\n"], ids=["plain", "chunked"]
)
def test_an_answer_is_read_to_its_end(ends: tuple[socket.socket, socket.socket], whole: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(whole)
    discard(answer(ours), ours, 10)
    assert readable([ours]) == []


@pytest.mark.parametrize(
    "cut", [PLAIN + b"x" * 9, CHUNKED + b"a\r\nxxxxxxxxxx\r\n0\r\n"], ids=["plain", "chunked"]
)
def test_an_answer_that_is_cut_is_refused(ends: tuple[socket.socket, socket.socket], cut: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(cut)
    theirs.close()
    with pytest.raises(Refused, match="instead of 10"):
        discard(answer(ours), ours, 10)


def test_connections_that_the_other_side_closed_are_counted(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    assert closed([ours]) == 0
    theirs.sendall(b"a ping")
    assert closed([ours]) == 0
    ours.recv(100)
    theirs.close()
    assert closed([ours]) == 1
