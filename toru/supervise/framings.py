"""What one version of a plugin's file speaks, as far as that is known."""

from __future__ import annotations

from toru.model import Protocol

# What a plugin that does not say is asked in, in that order.
FRAMINGS: tuple[Protocol, ...] = ("2", "1")


class Framings:
    """`known` is None until it is found out by asking."""

    def __init__(self, known: Protocol | None) -> None:
        self.known = known
        self._killed_by: set[Protocol] = set()

    @property
    def to_try(self) -> tuple[Protocol, ...]:
        """What the next process is spoken to in, or asked in until it answers."""
        if self.known is not None:
            return (self.known,)
        return tuple(one for one in FRAMINGS if one not in self._killed_by)

    @property
    def exhausted(self) -> bool:
        """Whether it died of being asked in each of them."""
        return len(self._killed_by) == len(FRAMINGS)

    def forgive(self, asked_in: Protocol | None) -> bool:
        """Whether a process that was being asked in that died of it for the first time, which is no crash."""
        if asked_in is None or asked_in in self._killed_by:
            return False
        self._killed_by.add(asked_in)
        return True
