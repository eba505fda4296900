"""Routes, requests, responses and the log, each by itself."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from toru.plugin import HTTPError, Plugin, Request, Response
from toru.plugin.log import Log
from toru.plugin.routes import Route, is_async, is_generator
from toru.plugin.testing import TestClient


def handler(request: Request) -> None:
    """A plain one."""


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("/", "/", {}),
        ("/", "/a", None),
        ("/a", "/a", {}),
        ("/a", "/%61", {}),
        ("/a", "/a/", None),
        ("/a/", "/a/", {}),
        ("/a b", "/a%20b", {}),
        ("/{name}", "/ada", {"name": "ada"}),
        ("/{name}", "/a%2Fb%20%C3%A4", {"name": "a/b ä"}),
        ("/{name}", "/", None),
        ("/{name}", "/a/b", None),
        ("/{a}/x/{b}", "/1/x/2", {"a": "1", "b": "2"}),
        ("/{a}/x/{b}", "/1/y/2", None),
        ("/files/{path...}", "/files/a/b%20c/", {"path": "a/b c/"}),
        ("/files/{path...}", "/files/", {"path": ""}),
        ("/files/{path...}", "/files", None),
        ("/{path...}", "/", {"path": ""}),
    ],
)
def test_paths(pattern: str, path: str, found: dict[str, str] | None) -> None:
    assert Route(pattern, handler).match(path) == found


@pytest.mark.parametrize("pattern", ["", "a", "/{}", "/{1}", "/{a...}/b", "/{a b}"])
def test_paths_that_cannot_be(pattern: str) -> None:
    with pytest.raises(ValueError, match="path"):
        Route(pattern, handler)


def test_what_kind_of_handler_it_is() -> None:
    async def coroutine() -> None:
        pass

    class Callable:
        async def __call__(self) -> None:
            pass

        async def method(self) -> None:
            pass

    def generator() -> object:
        yield

    async def async_generator() -> object:
        yield

    asynchronous: list[Any] = [coroutine, partial(coroutine), Callable(), Callable().method, async_generator]
    assert all(map(is_async, asynchronous))
    others: list[Any] = [handler, generator, len, Callable]
    assert not any(map(is_async, others))
    generators: list[Any] = [generator, async_generator]
    assert all(map(is_generator, generators))
    others = [handler, coroutine, len]
    assert not any(map(is_generator, others))


@pytest.mark.parametrize(
    ("body", "kind", "data"),
    [
        ("ä", "text/plain; charset=utf-8", "ä".encode()),
        (b"\xff", "application/octet-stream", b"\xff"),
        (memoryview(b"\xff"), "application/octet-stream", b"\xff"),
        ({"a": ["ä", None]}, "application/json", '{"a": ["ä", null]}'.encode()),
        ([], "application/json", b"[]"),
        (0, "application/json", b"0"),
        (False, "application/json", b"false"),
        ("", "text/plain; charset=utf-8", b""),
    ],
)
def test_bodies(body: object, kind: str, data: bytes) -> None:
    response = Response(body)
    assert (response.status, response.headers, response.body) == (200, {"content-type": kind}, data)
    assert Response(body, headers={"Content-Type": "x/y"}).headers == {"content-type": "x/y"}


def test_no_body() -> None:
    response = Response()
    assert (response.status, response.headers, response.body) == (204, {}, b"")
    assert Response(status=500).status == 500


@pytest.mark.parametrize("body", [object(), {1, 2}, {"x": float("nan")}, {"x": b""}])
def test_bodies_that_cannot_be(body: object) -> None:
    with pytest.raises(TypeError, match="a handler answers with"):
        Response(body)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (199, {}),
        (600, {}),
        (200, {"": "x"}),
        (200, {"a b": "x"}),
        (200, {"ä": "x"}),
        (200, {"a": "x\r\ny"}),
        (200, {"a": "\0"}),
        (200, {"a": "€"}),
        (200, {"a": ["x", "y\n"]}),
        (200, {f"a{number}": "" for number in range(256)}),
        (200, {"a": "x" * 65_536}),
    ],
)
def test_answers_that_http_does_not_know(status: int, headers: dict[str, str | list[str]]) -> None:
    with pytest.raises(ValueError, match=r"status|header"):
        Response("x", status, headers)


def test_a_request() -> None:
    request = Request(
        "GET", "/a%20b?x=1&x=2&y", {"x-toru-user": "ada", "x-toru-role": "client"}, b'"\xc3\xa4"'
    )
    assert (request.path, request.query_string, request.query) == ("/a%20b", "x=1&x=2&y", {"x": "2", "y": ""})
    assert (request.user, request.role, request.prefix) == ("ada", "client", "")
    assert (request.text(), request.json(), list(request)) == ('"ä"', "ä", [b'"\xc3\xa4"'])
    assert repr(request) == "<Request GET /a%20b>"


def test_a_request_without_a_body() -> None:
    request = Request("GET", "/", {})
    assert (request.body, request.text(), list(request), request.query) == (b"", "", [], {})
    with pytest.raises(HTTPError) as raised:
        request.json()
    assert raised.value.status == 400


def test_a_body_that_is_no_text() -> None:
    with pytest.raises(HTTPError) as raised:
        Request("GET", "/", {}, b"\xff").text()
    assert (raised.value.status, "not UTF-8" in raised.value.message) == (400, True)


def test_lines_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()
    for write in (log.trace, log.debug, log.info, log.warning, log.error):
        write("ä\n", number=1, thing={"a": Request("GET", "/", {})})
    log.info("own", level="x", msg="y")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["level"] for line in lines[:5]] == ["trace", "debug", "info", "warn", "error"]
    assert lines[0] == {"level": "trace", "message": "ä\n", "number": 1, "thing": {"a": "<Request GET />"}}
    assert lines[5] == {"level": "info", "message": "own", "level_": "x", "msg_": "y"}


def test_long_texts_lose_their_middle(capsys: pytest.CaptureFixture[str]) -> None:
    Log().error("x", error=f"begin{'.' * 100_000}end")

    line = capsys.readouterr().out
    assert len(line) < 64 * 1024
    error = json.loads(line)["error"]
    assert error.startswith("begin")
    assert error.endswith("end")
    assert "84,008 characters left out" in error


def test_fields_that_json_cannot_say_are_written_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    circle: list[object] = []
    circle.append(circle)
    for value in ({(1, 2): 3}, circle, float("nan")):
        Log().info("odd", value=value)
        record = json.loads(capsys.readouterr().out)
        assert record == {"level": "info", "message": "odd", "value": str(value)}


def test_a_failure_has_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise LookupError("outer") from error
    except LookupError as error:
        Log().failure("It failed", error)

    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["message"]) == ("error", "It failed: LookupError: outer")
    assert "KeyError: 'inner'" in line["error"]
    assert "test_a_failure_has_its_traceback" in line["error"]


def test_a_response_may_be_given_again_and_again() -> None:
    plugin, kept = Plugin(id="p", name="P", version="1"), Response("kept")
    plugin.get("/")(lambda request: kept)
    with TestClient(plugin) as client:
        assert client.request("HEAD", "/").body == b""
        assert client.get("/").text == "kept"
