"""Finds out whether a plugin that does not say speaks a framing: by asking something harmless in it."""

from __future__ import annotations

from twisted.internet.defer import Deferred, TimeoutError as AskedTooLong
from twisted.internet.interfaces import IReactorTime

from toru.errors import ToruError
from toru.supervise.channels import Channel
from toru.wire.messages import Answer, HttpRequest, Message, Refusal, RequestHead

PROBE_SECONDS = 1.0
_QUESTION = HttpRequest(RequestHead("OPTIONS", "/", {}), None)
_ID = "probe"


class Probe:
    """The owner of a channel for the time of the question."""

    choked = False

    def __init__(self) -> None:
        self._heard: Deferred[bool] | None = None

    def received(self, message: Message) -> bool:
        if isinstance(message, (Answer, Refusal)) and message.request_id == _ID:
            self._conclude(True)
            return True
        return False

    def failed(self, request_id: str, error: ToruError) -> None:
        self._conclude(False)

    def lost(self, error: ToruError) -> None:
        self._conclude(False)

    def writable(self) -> None:
        """One question fits anywhere."""

    def _conclude(self, answered: bool) -> None:
        heard, self._heard = self._heard, None
        if heard is not None:
            heard.callback(answered)

    async def ask(self, channel: Channel, clock: IReactorTime) -> bool:
        """Whether a well-formed answer comes within 1 s. `channel` must have this as its owner."""
        heard: Deferred[bool] = Deferred()
        self._heard = heard
        heard.addTimeout(PROBE_SECONDS, clock)
        channel.send(_ID, _QUESTION)
        try:
            return await heard
        except AskedTooLong:
            return False
