"""What a client sends us, checked: JSON bodies and query parameters as Structs."""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from toru.errors import BadRequest

if TYPE_CHECKING:
    from toru.http.request import Request

S = TypeVar("S", bound=msgspec.Struct)


def decode_body(request: Request, type: type[S] | UnionType) -> S:
    """The request's body, which it gives away. Raises as `decode_json` does."""
    decoded: S = decode_json(request.take_body(), _decoder(type))
    return decoded


def decode_json(body: bytes, decoder: msgspec.json.Decoder[S]) -> S:
    """A body as JSON, whatever it is said to be: many clients call it a form unless they are told.

    What the decoder's type, which may be a union of tagged ones, does not know is let be. Raises BadRequest, which names the field.
    """
    try:
        return decoder.decode(body)
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadRequest(f"The body cannot be used: {error}.") from None


@cache
def _decoder(type: Any) -> msgspec.json.Decoder[Any]:
    # To make one takes far longer than to use it.
    return msgspec.json.Decoder(type)


def decode_query(request: Request, type: type[S]) -> S:
    """The query of the request's target; one that is empty counts as not given.

    Raises BadRequest, which names the parameter.
    """
    try:
        query = request.query.decode("ascii")
        pairs = parse_qsl(query, errors="strict", max_num_fields=100)
    except ValueError:
        raise BadRequest("The query is not percent-encoded UTF-8 of at most 100 parameters.") from None
    given = dict(pairs)
    if len(given) < len(pairs):
        raise BadRequest("The query cannot be used: a parameter is given twice.")
    try:
        return msgspec.convert(given, type, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The query cannot be used: {error}.") from None
