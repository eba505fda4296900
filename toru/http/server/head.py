"""The head of a request: what it asks for, and whether it may be understood at all (RFC 9110, RFC 9112). Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from toru.errors import BadRequest, ExpectationFailed, HeadTooLarge, ToruError, VersionNotSupported
from toru.http.routes import is_proxied, origin_form
from toru.http.server.fields import Fields

if TYPE_CHECKING:
    from toru.http.admitted import Admitted

# Bytes of a request's head, and of what stands beside the data of a chunked body.
MAX_HEAD_BYTES = 64 * 1024
MAX_FIELDS = 100
# Around a field's name and value: a colon, a space, CR and LF.
_FIELD_BYTES = 4
_ANNOUNCED_BYTES = len(b"content-length") + _FIELD_BYTES
# Of a length that is announced: Python itself does not read numbers of any length (RFC 9110, 8.6, warns of such).
_MOST_DIGITS = 20
# RFC 3986, 3.2.2: a name, an address or one in brackets, and a port.
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?", re.ASCII)


class Head:
    """What stands before a body.

    `target` is path and query as they were sent, starting with `/`; `authority` the host where the target named one.
    `announced` is the value of `content-length`, which is not among the `fields`: in most of what a client sends it is the
    only one that changes. `length` is that of the body: 0 where there is none, None where it is only known at its end.
    `upgrades`: it asks for another protocol, and what follows may be of that. `proxied`: it is for a plugin's route. What
    takes a look at the whole is known once it is `checked`; `admitted` is what it was let in with, where it was.
    """

    __slots__ = (
        "_sent",
        "admitted",
        "announced",
        "authority",
        "checked",
        "fields",
        "length",
        "method",
        "proxied",
        "target",
        "upgrades",
        "version",
    )

    def __init__(
        self,
        method: bytes,
        target: bytes,
        version: str,
        fields: Fields,
        announced: bytes | None = None,
        *,
        upgrades: bool = False,
    ) -> None:
        self._sent = method, target, version
        self.method = method.decode("ascii")
        self.target = target
        self.version = version
        self.fields = fields
        self.announced = announced
        self.upgrades = upgrades
        self.authority: bytes | None = None
        self.length: int | None = 0
        self.proxied = self.checked = False
        self.admitted: Admitted | None = None

    def has(
        self, method: bytes, target: bytes, version: str, announced: bytes | None, *, upgrades: bool
    ) -> bool:
        """Whether it would be no other with these, and the same fields."""
        same = self._sent == (method, target, version) and self.announced == announced
        return same and self.upgrades == upgrades

    def announcing(self, announced: bytes) -> Head:
        """The same before another body, where this one announces its own and is checked."""
        head = Head(*self._sent, self.fields, announced, upgrades=self.upgrades)
        head.target, head.authority = self.target, self.authority
        head.length = int(announced)
        head.proxied, head.checked = self.proxied, self.checked
        if self.admitted is not None:
            head.admitted = self.admitted.before_another_body()
        return head

    @property
    def expects(self) -> bool:
        """Whether its client waits for a word before it sends the body (RFC 9110, 10.1.1)."""
        return self.length != 0 and b"expect" in self.fields and self.version == "1.1"

    def check(self) -> None:
        """Settle what follows from target and fields.

        Raises BadRequest, HeadTooLarge, ExpectationFailed or VersionNotSupported: nothing behind this head can be
        relied on.
        """
        told = self.fields.once(_read)
        if self.version != "1.1":
            self._check_older()
        count, size = told.lines, told.size + len(self.target)
        if self.announced is not None:
            count, size = count + 1, size + _ANNOUNCED_BYTES + len(self.announced)
        if count > MAX_FIELDS or size > MAX_HEAD_BYTES:
            raise too_large()
        if told.fault is not None:
            raise told.fault
        # RFC 9112, 3.2: an older client need not say which host it means.
        if told.host_fault is not None and (self.version == "1.1" or b"host" in self.fields):
            raise told.host_fault
        if self.announced is not None and len(self.announced) > _MOST_DIGITS:
            # Zeros in front of it: llhttp refuses what is greater than 2**64.
            raise BadRequest(f"A Content-Length has at most {_MOST_DIGITS} digits here.")
        self.length = None if told.chunked else int(self.announced or b"0")
        if self.upgrades and self.length != 0:
            # RFC 9110, 7.8: the body would come before the new protocol, and parsers do not agree on that.
            raise BadRequest("A request that asks for another protocol has no body here.")
        if b"#" in self.target:
            raise BadRequest("A request target has no fragment.")
        if self.method == "CONNECT" or not self.target.startswith(b"/"):
            if self.method == "CONNECT":
                raise BadRequest("This server is no tunnel.")
            self.target, self.authority = origin_form(self.target)
        self.proxied = is_proxied(self.target)
        self.checked = True

    def _check_older(self) -> None:
        if self.version != "1.0":
            raise VersionNotSupported("This server speaks HTTP/1.1.")
        # RFC 9112, 6.1: nobody can tell what it means there.
        if b"transfer-encoding" in self.fields:
            raise BadRequest("HTTP/1.0 has no transfer codings.")


class _Told(NamedTuple):
    """What fields say of their request: whether its body is chunked, how many they are, their bytes, and what is wrong."""

    chunked: bool
    lines: int
    size: int
    fault: ToruError | None
    host_fault: ToruError | None


def _read(fields: Fields) -> _Told:
    lines = fields.lines
    size = sum(len(name) + len(value) + _FIELD_BYTES for name, value in lines)
    return _Told(b"transfer-encoding" in fields, len(lines), size, _fault(fields), _host_fault(fields))


def _fault(fields: Fields) -> ToruError | None:
    # RFC 9112, 6.1: another coding is not understood here.
    if b"transfer-encoding" in fields and [each.lower() for each in fields.all(b"transfer-encoding")] != [
        b"chunked"
    ]:
        return BadRequest("The only transfer coding understood here is chunked.")
    if b"expect" in fields and [each.lower() for each in fields.all(b"expect")] != [b"100-continue"]:
        return ExpectationFailed("The only expectation understood here is 100-continue.")
    return None


def _host_fault(fields: Fields) -> ToruError | None:
    # RFC 9112, 3.2.
    hosts = fields.all(b"host")
    if len(hosts) != 1:
        return BadRequest("A request of HTTP/1.1 has one Host header.")
    if not _HOST.fullmatch(hosts[0]):
        return BadRequest("The Host header names no host.")
    return None


def too_large() -> ToruError:
    """What a client is told whose head is longer than may be."""
    return HeadTooLarge(
        f"The head of a request may have {MAX_HEAD_BYTES} bytes and {MAX_FIELDS} headers here."
    )
