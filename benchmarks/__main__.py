"""Starts real cores with real plugins and prints what they cost: `make bench`, on a machine that does nothing else.

Each figure stands beside what it is to be compared with, measured in the same run. `python -m benchmarks.flood`,
say, runs one of them alone.
"""

from __future__ import annotations

from benchmarks import dashboard, doors, flood, kit, kv, logs, memory, neighbours, starts


def main() -> None:
    """Run all, one after the other."""
    for each in (starts, kit, neighbours, memory, flood, doors, kv, logs, dashboard):
        each.main()


if __name__ == "__main__":
    main()
