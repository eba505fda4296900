"""The head of a request: what it asks for, and whether it may be understood at all (RFC 9110, RFC 9112). Pure."""

from __future__ import annotations

import re

from toru.errors import BadRequest, ExpectationFailed, HeadTooLarge, ToruError, VersionNotSupported
from toru.http.routes import origin_form

# Bytes of a request's head, and of what stands beside the data of a chunked body.
MAX_HEAD_BYTES = 64 * 1024
MAX_FIELDS = 100
# Around a field's name and value: a colon, a space, CR and LF.
_FIELD_BYTES = 4
# RFC 3986, 3.2.2: a name, an address or one in brackets, and a port.
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?", re.ASCII)

Fields = list[tuple[bytes, bytes]]


class Head:
    """What stands before a body.

    `target` is path and query as they were sent, starting with `/`; `authority` the host where the target named one.
    `fields` are in the order of arrival, with lower-case names, and `values` has the last of each name. `length` is
    that of the body: 0 where there is none, None where it is only known at its end.
    """

    __slots__ = ("authority", "fields", "length", "method", "target", "upgrades", "values", "version")

    def __init__(self, method: bytes, target: bytes, version: str, fields: Fields) -> None:
        self.method = method.decode("ascii")
        self.target = target
        self.version = version
        self.fields = fields
        self.values = dict(fields)
        self.authority: bytes | None = None
        self.length: int | None = 0
        # It asks for another protocol, and what follows may be of that.
        self.upgrades = False

    def all(self, name: bytes) -> list[bytes]:
        """The values of all fields of that name."""
        if name not in self.values:
            return []
        return [value for each, value in self.fields if each == name]

    @property
    def expects(self) -> bool:
        """Whether its client waits for a word before it sends the body (RFC 9110, 10.1.1)."""
        return b"expect" in self.values and self.version == "1.1" and self.length != 0

    def check(self) -> None:
        """Settle what follows from the fields.

        Raises BadRequest, HeadTooLarge, ExpectationFailed or VersionNotSupported: nothing behind this head can be relied on.
        """
        values = self.values
        if self.version not in ("1.1", "1.0"):
            raise VersionNotSupported("This server speaks HTTP/1.1.")
        if (
            len(self.fields) > MAX_FIELDS
            or len(self.target) + sum(len(name) + len(value) + _FIELD_BYTES for name, value in self.fields)
            > MAX_HEAD_BYTES
        ):
            raise too_large()
        self._check_host()
        if b"transfer-encoding" in values:
            # RFC 9112, 6.1: another coding is not understood here, and with HTTP/1.0 nobody can tell what it means.
            if self.version == "1.0" or [one.lower() for one in self.all(b"transfer-encoding")] != [
                b"chunked"
            ]:
                raise BadRequest("The only transfer coding understood here is chunked, in HTTP/1.1.")
            self.length = None
        elif b"content-length" in values:
            self.length = int(values[b"content-length"])
        if self.upgrades and self.length != 0:
            # RFC 9110, 7.8: the body would come before the new protocol, and parsers do not agree on that.
            raise BadRequest("A request that asks for another protocol has no body here.")
        if b"expect" in values and values[b"expect"].lower() != b"100-continue":
            raise ExpectationFailed("The only expectation understood here is 100-continue.")
        if b"#" in self.target:
            raise BadRequest("A request target has no fragment.")
        self.target, self.authority = origin_form(self.target)

    def _check_host(self) -> None:
        # RFC 9112, 3.2.
        hosts = self.all(b"host")
        if len(hosts) > 1 or (not hosts and self.version == "1.1"):
            raise BadRequest("A request of HTTP/1.1 has one Host header.")
        if hosts and not _HOST.fullmatch(hosts[0]):
            raise BadRequest("The Host header names no host.")


def too_large() -> ToruError:
    """What a client is told whose head is longer than may be."""
    return HeadTooLarge(
        f"The head of a request may have {MAX_HEAD_BYTES} bytes and {MAX_FIELDS} headers here."
    )
