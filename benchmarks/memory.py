"""How much larger the core is for each of 100 idle plugins."""

from __future__ import annotations

from benchmarks.harness import a_core, resident_kib
from tests.integration.cores import wait_for


def main() -> None:
    """Resident memory with one and with 101."""
    one, many = memory_with(1), memory_with(101)
    print(
        f"memory of the core: {one:,.0f} KiB with 1 plugin, {many:,.0f} KiB with 101: "
        f"{(many - one) / 100:.1f} KiB a plugin"
    )


def memory_with(plugins: int) -> float:
    """Resident KiB of a core with that many idle plugins."""
    with a_core() as core:
        for number in range(plugins):
            core.plugin(f"p{number}")
        core.start()
        wait_for(lambda: sum(plugin["running"] for plugin in core.get("/api/plugins").json()) == plugins)
        assert core.process is not None
        return resident_kib(core.process.pid)


if __name__ == "__main__":
    main()
