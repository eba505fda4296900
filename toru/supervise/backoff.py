"""How long to wait before trying again: pure policies."""

from __future__ import annotations


def restart_delay(crashes: int, first: float, most: float) -> float:
    """Seconds before a plugin is started again after its `crashes`-th consecutive crash (from 1 on).

    With the default settings: 1, 2, 4, 8, 16, 16, … (the requirement "Plugin Supervision").
    """
    doublings = min(crashes - 1, 64)  # 2 ** 64 is past any `most`, and a float still holds it
    return min(first * 2.0**doublings, most)


def counted_crashes(crashes: int, healthy_for: float, stable_seconds: float) -> int:
    """How many of `crashes` still count for a process that has been healthy for that many seconds."""
    return 0 if healthy_for >= stable_seconds else crashes


# How far back changes of a plugin's file are counted.
CHANGES_SECONDS = 60.0


def change_delay(changes: int) -> float:
    """Seconds before a plugin is replaced because its file changed, for that many changes in a minute.

    People save a few times in a row and want to see it at once; a plugin that writes into its own file
    would otherwise be replaced for ever.
    """
    return 0.0 if changes <= 5 else restart_delay(changes - 5, 1.0, 16.0)


def reconnect_delay(failures: int) -> float:
    """Seconds before a lost connection to a living plugin is tried again: 50 ms doubling up to 5 s."""
    return min(0.05 * 2.0 ** min(failures, 16), 5.0)


def poll_delay(waited: float) -> float:
    """Seconds until the next look for the socket of a process that started `waited` seconds ago.

    A tenth of the time waited, so that looking costs a quick plugin no time that it could notice and a
    slow one no work that the core could notice.
    """
    return min(0.005 + waited / 10, 0.25)
