"""What the core and its workers say to each other, in MessagePack."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct, msgpack

from toru.store.accounttable import Key
from toru.supervise.sharing import Offer
from toru.supervise.traffic import Counted
from toru.wire.messages import LogLevel

# -- the core to a worker


class Begin(Struct, frozen=True, tag=True):
    """The first message. `number` tells the worker from others; sizes are in bytes, networks as text."""

    number: int
    max_body_bytes: int
    max_message_bytes: int
    trusted_proxies: list[str]
    access_log: bool


class Keys(Struct, frozen=True, tag=True):
    """By what somebody is known: these too, from now on, and those with these digests no more."""

    ring: Literal["sessions", "tokens"]
    added: list[Key]
    removed: list[bytes]


class Routes(Struct, frozen=True, tag=True):
    """Which plugin each route stands for, from now on."""

    plugins: dict[str, str]


class Offered(Struct, frozen=True, tag=True):
    """A process of a plugin, under a number of ours: connect to it, and see whether it answers there."""

    share: int
    offer: Offer


class Granted(Struct, frozen=True, tag=True):
    """Ask it, on the connection that was said to be proven with that number: so many at once, while so many more wait."""

    share: int
    proof: int
    concurrency: int
    max_waiting: int


class Withdrawn(Struct, frozen=True, tag=True):
    """Ask it nothing new."""

    share: int


class Written(Struct, frozen=True, tag=True):
    """What it said in the message `Said` of that number is safe."""

    number: int


class MakeRoom(Struct, frozen=True, tag=True):
    """Close the connection that has been idle longest."""


class Stop(Struct, frozen=True, tag=True):
    """The core stops: take nothing new, and say `Finished`."""


# -- either to the other, with a connection


class Moved(Struct, frozen=True, tag=True):
    """A client: what is still to be written to it, and what it said, from the beginning of a request on."""

    unsent: bytes
    data: bytes


# -- a worker to the core


class Ready(Struct, frozen=True, tag=True):
    """It takes connections."""


class Proven(Struct, frozen=True, tag=True):
    """The process answers there: for the how manieth time, as connections are lost and made again."""

    share: int
    proof: int


class Lost(Struct, frozen=True, tag=True):
    """Its connection to the process is lost, and nothing is asked there until it is granted anew."""

    share: int


class Drained(Struct, frozen=True, tag=True):
    """Nobody waits for a process that was withdrawn."""

    share: int


class Ended(Struct, frozen=True, tag=True):
    """So many connections are not its own any more."""

    count: int


class Report(Struct, frozen=True):
    """What was done with a process since the last report, how many requests it has in hand now, and how many wait."""

    share: int
    counted: Counted
    in_flight: int
    waiting: int


class Reports(Struct, frozen=True, tag=True):
    """Of the processes of which there is something new. It comes also where there is nothing: as a sign of life."""

    reports: list[Report]


class Said(Struct, frozen=True, tag=True):
    """A plugin wrote a log message, its fields in JSON: numbers may be longer there than in MessagePack."""

    share: int
    number: int
    level: LogLevel
    message: str
    fields: bytes | None


class Noted(Struct, frozen=True, tag=True):
    """Lines for the access log."""

    lines: bytes


class Spoke(Struct, frozen=True, tag=True):
    """A line for the core's own log."""

    level: str
    namespace: str
    text: str


class Finished(Struct, frozen=True, tag=True):
    """No request is in progress."""


ToWorker: TypeAlias = (
    Begin | Keys | Routes | Offered | Granted | Withdrawn | Written | MakeRoom | Stop | Moved
)
ToCore: TypeAlias = (
    Ready | Proven | Lost | Drained | Ended | Reports | Said | Noted | Spoke | Finished | Moved
)

encode = msgpack.Encoder().encode
to_worker: msgpack.Decoder[ToWorker] = msgpack.Decoder(ToWorker)
to_core: msgpack.Decoder[ToCore] = msgpack.Decoder(ToCore)
