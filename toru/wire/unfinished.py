"""One room for all messages that are not whole yet, so that no number of them takes more than it has."""

from __future__ import annotations


class Unfinished:
    """Room for so many bytes, which are `left` of it. Whoever takes some gives as much back."""

    __slots__ = ("left",)

    def __init__(self, most: int) -> None:
        self.left = most

    def take(self, length: int) -> bool:
        """Whether there was so much; if not, nothing is taken."""
        if length > self.left:
            return False
        self.left -= length
        return True

    def give_back(self, length: int) -> None:
        """What held it is whole, or will never be."""
        self.left += length
