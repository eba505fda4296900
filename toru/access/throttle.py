"""How long somebody has to wait after failed sign-ins: pure, told the time, with bounded memory."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from ipaddress import IPv6Address, IPv6Network, ip_address

# Seconds in which failures count together.
WINDOW = 3600.0
# Seconds of waiting after the third, sixth, ninth and twelfth failure; each further one costs the most.
_PENALTIES = {3: 60.0, 6: 180.0, 9: 600.0, 12: 1800.0}
_LAST_TIER = max(_PENALTIES)
_LONGEST = _PENALTIES[_LAST_TIER]
# One address may be that of a whole office.
ADDRESS_FACTOR = 10


def penalty(failures: int, factor: int = 1) -> float:
    """Seconds to wait after a failure that is the `failures`-th within an hour.

    `factor`: how many times as many failures each tier takes.
    """
    if failures >= _LAST_TIER * factor:
        return _LONGEST
    tier, between = divmod(failures, factor)
    return 0.0 if between else _PENALTIES.get(tier, 0.0)


class Throttle:
    """The failed sign-ins of the last hour, by name and address and by address alone."""

    def __init__(self, most: int = 10_000) -> None:
        """`most`: pairs, and addresses, that are remembered; those that failed last are kept."""
        self._pairs = _Failures(1, most)
        self._addresses = _Failures(ADDRESS_FACTOR, most)

    def wait(self, name: str, address: str, now: float) -> float:
        """Seconds until this name may be tried again from this address; 0 where it may be tried now."""
        place = _place(address)
        return max(self._pairs.wait((_name(name), place), now), self._addresses.wait(place, now))

    def failed(self, name: str, address: str, at: float) -> None:
        """A sign-in failed then. Failures are told in their order."""
        place = _place(address)
        self._pairs.add((_name(name), place), at)
        self._addresses.add(place, at)

    def __len__(self) -> int:
        """How many pairs and addresses are remembered."""
        return len(self._pairs) + len(self._addresses)


class _Record:
    __slots__ = ("blocked_until", "times")

    def __init__(self, most: int) -> None:
        self.times: deque[float] = deque(maxlen=most)
        self.blocked_until = 0.0


class _Failures:
    def __init__(self, factor: int, most: int) -> None:
        self._factor = factor
        self._most = most
        # Who failed last is at the end.
        self._records: OrderedDict[Hashable, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def wait(self, key: Hashable, now: float) -> float:
        record = self._records.get(key)
        # No longer than a clock that was set back could make it.
        return 0.0 if record is None else min(max(record.blocked_until - now, 0.0), _LONGEST)

    def add(self, key: Hashable, at: float) -> None:
        record = self._records.get(key)
        if record is None:
            record = self._records[key] = _Record(_LAST_TIER * self._factor)
        self._records.move_to_end(key)
        while record.times and record.times[0] <= at - WINDOW:
            record.times.popleft()
        record.times.append(at)
        record.blocked_until = max(record.blocked_until, at + penalty(len(record.times), self._factor))
        if len(self._records) > self._most:
            self._records.popitem(last=False)


def _name(name: str) -> str:
    # Long enough for every name that there can be.
    return name[:65].lower()


def _place(address: str) -> str:
    """What one client can be expected to hold: an IPv4 address, the /64 of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Network((int(parsed), 64), strict=False))
    return str(parsed)
