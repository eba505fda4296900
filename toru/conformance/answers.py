"""What plugins answer, and what HTTP makes of it."""

from __future__ import annotations

from toru.conformance.findings import Trouble
from toru.conformance.wire import Wire
from toru.wire.headers import FIELD_VALUE, MAX_HEADER_BYTES, MAX_HEADERS, TOKEN
from toru.wire.messages import Answer, Nonsense, Refusal, excerpt

Reply = Answer | Refusal


def answers_in(wire: Wire) -> list[Answer | Refusal | Nonsense]:
    """What came there and answers something; what a plugin logs comes between."""
    return [each for each in wire.messages if isinstance(each, (Answer, Refusal, Nonsense))]


def check_headers(answer: Answer) -> None:
    """Raises Trouble where the core would refuse them."""
    size = sum(len(name) + len(value) for name, value in answer.headers)
    if len(answer.headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise Trouble(
            f"an answer has {len(answer.headers)} headers of {size:,} bytes; its client would get 502",
            f"send at most {MAX_HEADERS} headers, and {MAX_HEADER_BYTES:,} bytes of them",
        )
    for name, value in answer.headers:
        if not TOKEN.fullmatch(name) or not FIELD_VALUE.fullmatch(value):
            raise Trouble(
                f"an answer has a header that HTTP forbids, {excerpt(name)}: {excerpt(value)}; its client would get 502",
                "names of headers are letters, digits and `-`; values have no line breaks, and nothing beyond Latin-1",
            )
