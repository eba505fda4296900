"""What plugins store, the short way: a call in, what came of it out."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from msgspec import UNSET, Meta, Struct, UnsetType, json
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from toru.access.roles import may_use_key
from toru.errors import Forbidden, ToruError
from toru.http._interfaces import Plugins
from toru.http.answers import as_json
from toru.http.bodies import decode_json
from toru.http.codings import LEAST_WORTH_IT, compressed
from toru.http.messages import Outgoing
from toru.http.problems import problem, unexpected
from toru.http.server.exchange import Exchange, Taker
from toru.http.server.rendering import as_lines
from toru.http.server.whole import Whole
from toru.store.kv import MOST_KEY, MOST_LISTED, MOST_TTL, MOST_VALUE, KeyValues

# Their lengths are the storage's to check: what is too long is answered with 413.
_Key = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MOST_KEY})]
_Value = Annotated[
    str,
    Meta(description=f"At most {MOST_VALUE} bytes in UTF-8.", extra_json_schema={"maxLength": MOST_VALUE}),
]
_PartOfKey = Annotated[str, Meta(max_length=MOST_KEY)]


class _KvCall(Struct, frozen=True, tag_field="action"):
    """One call of a plugin's storage."""


class _Unconditional(_KvCall, frozen=True, kw_only=True):
    """It is refused where somebody takes it for one with a condition."""

    expect: Annotated[Any, Meta(extra_json_schema={"not": {}})] = UNSET

    def __post_init__(self) -> None:
        if self.expect is not UNSET:
            raise ValueError("`expect` goes with `set` alone")


class KvGet(_Unconditional, frozen=True, tag="get"):
    """The value of a key."""

    key: _Key


class KvSet(_KvCall, frozen=True, tag="set"):
    """Store a value: for a time where `ttl_seconds` is given, and if that is the one now where `expect` is."""

    key: _Key
    value: _Value
    ttl_seconds: Annotated[float, Meta(gt=0, le=MOST_TTL)] | None = None
    expect: _Value | UnsetType | None = UNSET


class KvDelete(_Unconditional, frozen=True, tag="delete"):
    """Forget a key."""

    key: _Key


class KvList(_Unconditional, frozen=True, tag="list"):
    """The keys that begin with `prefix` and come behind `after`."""

    prefix: _PartOfKey = ""
    limit: Annotated[int, Meta(ge=1, le=MOST_LISTED)] = MOST_LISTED
    after: _PartOfKey | None = None


KvCall = KvGet | KvSet | KvDelete | KvList


class KvValue(Struct, frozen=True):
    """The value that a key has now; null for none."""

    value: str | None


class KvKeys(Struct, frozen=True):
    """Keys in order. `next` is what `after` is to be for those that follow; null where there are no more."""

    keys: list[str]
    next: str | None


# All made once: a call takes little longer than it would to make them.
_ACTIONS = {each: str(each.__struct_config__.tag) for each in get_args(KvCall)}
_DECODER: json.Decoder[KvCall] = json.Decoder(KvCall)
_ENCODER = json.Encoder()
_HEADERS = as_json(None).headers
_LINES = as_lines(_HEADERS)


class Storage:
    """What all plugins store. `calls` counts what came of each action, `ok` or `error`; what is no call is not counted."""

    def __init__(self, plugins: Plugins, values: KeyValues) -> None:
        self.calls = {(each, result): 0 for each in _ACTIONS.values() for result in ("ok", "error")}
        self._plugins = plugins
        self._values = values

    def take(self, exchange: Exchange, id: str) -> Taker:
        """Whoever takes a call of that plugin's storage that was let in. Raises BodyTooLarge."""
        return _Storing(exchange, self, id)

    def carried_out(self, exchange: Exchange, id: str, call: KvCall) -> Deferred[Any]:
        """What the values say to it: of `set` and `delete` that it is on disk. Raises Forbidden or PluginNotFound."""
        principal = exchange.principal
        key = call.prefix if isinstance(call, KvList) else call.key
        if principal is None or not may_use_key(principal, id, key):
            raise Forbidden("This key is not yours.")
        # A plugin that was taken from the folder still runs for a moment, and may put its affairs in order.
        if principal.kind != "plugin":
            self._plugins.require(id)
        values = self._values
        match call:
            case KvSet():
                return values.set(id, call.key, call.value, ttl_seconds=call.ttl_seconds, expect=call.expect)
            case KvGet():
                return values.get(id, call.key)
            case KvDelete():
                return values.delete(id, call.key)
            case KvList():
                return values.list(id, prefix=call.prefix, limit=call.limit, after=call.after)


class _Storing(Whole):
    """A call: 200 to `set` or `delete` means that it is on disk. It is given up where its client goes away."""

    __slots__ = ("_call", "_found", "_id", "_over", "_storage")

    def __init__(self, exchange: Exchange, storage: Storage, id: str) -> None:
        super().__init__(exchange, exchange.connection.site.max_body_bytes)
        self._storage = storage
        self._id = id
        self._found: Deferred[Any] | None = None
        self._over = False

    def ready(self, body: bytes) -> None:
        call = decode_json(body, _DECODER)
        self._call = call
        self._found = self._storage.carried_out(self.exchange, self._id, call)
        self._found.addCallbacks(self._done, self._failed)

    def gone(self) -> None:
        self._over = True
        if self._found is not None:
            self._found.cancel()

    def _done(self, found: Any) -> None:
        self._storage.calls[_ACTIONS[type(self._call)], "ok"] += 1
        if not self._over:
            self.exchange.attempt(self._answer, found)

    def _answer(self, found: Any) -> None:
        call = self._call
        match call:
            case KvSet():
                answer: KvKeys | KvValue = KvValue(call.value)
            case KvList():
                answer = KvKeys(*found)
            case _:
                answer = KvValue(found)
        exchange, body = self.exchange, _ENCODER.encode(answer)
        if len(body) < LEAST_WORTH_IT:
            exchange.answer_lines(200, _LINES, body)
        else:
            accepted = exchange.head.fields.all(b"accept-encoding")
            exchange.answer(compressed(Outgoing(200, _HEADERS, body), accepted))

    def _failed(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, ToruError):
            self._storage.calls[_ACTIONS[type(self._call)], "error"] += 1
        if not self._over:
            self.exchange.answer(problem(error) if isinstance(error, ToruError) else unexpected(failure))
