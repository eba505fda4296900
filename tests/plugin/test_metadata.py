"""The kit takes exactly the metadata that toru takes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from toru.errors import InvalidMetadata
from toru.plugin import Plugin
from toru.wire.metadata import parse_metadata

texts = st.text(st.characters(codec="utf-8"), max_size=120) | st.sampled_from(
    ["", " ", "route", "-", "a-", "-a", "a-b", "a" * 64, "a" * 65, "ä", "x" * 99, "x" * 100, "a\x85b", "1.0"]
)
routes = texts.map(lambda text: f"/{text}") | st.from_regex(r"/?[A-Za-z0-9._/-]{0,6}", fullmatch=True)


@given(
    id=texts | st.from_regex(r"[a-z0-9-]{1,5}", fullmatch=True),
    name=texts,
    version=texts,
    route=routes,
    icon=texts,
    author=texts,
    description=texts,
    concurrency=st.integers(-1, 10_002) | st.none() | st.booleans(),
)
def test_what_toru_refuses_is_refused_and_nothing_else(
    id: str,
    name: str,
    version: str,
    route: str,
    icon: str,
    author: str,
    description: str,
    concurrency: int | None,
) -> None:
    said: dict[str, object] = {"id": id, "name": name, "version": version, "route": route, "icon": icon}
    said |= {"author": author, "description": description}
    try:
        parse_metadata(json.dumps({**said, "concurrency": concurrency}).encode())
    except InvalidMetadata:
        allowed = False
    else:
        allowed = True

    try:
        plugin = Plugin(
            id=id,
            name=name,
            version=version,
            route=route,
            icon=icon,
            author=author,
            description=description,
            concurrency=concurrency,
        )
    except ValueError:
        assert not allowed
    else:
        assert allowed
        found = parse_metadata(json.dumps(plugin.metadata).encode())
        assert (found.id, found.name, found.route, found.protocol) == (id, name, route, "2")
        assert found.concurrency == concurrency


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="`version` must be a string"):
        Plugin(id="a", name="A", version=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("plain", ["ping", "cancel"]),
        ("generator", ["ping", "cancel", "stream"]),
        ("async generator", ["ping", "cancel", "stream"]),
        ("stream", ["ping", "cancel", "stream"]),
        ("websocket", ["ping", "cancel", "websocket"]),
        ("wsgi", ["ping", "cancel", "stream"]),
        ("asgi", ["ping", "cancel", "stream", "websocket"]),
    ],
)
def test_capabilities_are_those_of_the_handlers(kind: str, expected: list[str]) -> None:
    plugin = Plugin(id="a", name="A", version="1")

    def plain(request: object) -> str:
        return ""

    def generator(request: object) -> object:
        yield ""

    async def async_generator(request: object) -> object:
        yield ""

    async def app(scope: object, receive: object, send: object) -> None:
        pass

    plugin.get("/")(plain)
    if kind == "generator":
        plugin.get("/x")(generator)
    elif kind == "async generator":
        plugin.get("/x")(async_generator)
    elif kind == "stream":
        plugin.get("/x", stream=True)(plain)
    elif kind == "websocket":
        plugin.websocket("/x")(plain)
    elif kind == "wsgi":
        plugin.wsgi(lambda environ, start_response: [])
    elif kind == "asgi":
        plugin.asgi(app)

    assert plugin.metadata["capabilities"] == expected
    assert plugin.is_async == (kind in ("async generator", "asgi"))
