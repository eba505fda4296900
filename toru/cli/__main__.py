"""`python -m toru.cli`, which is the `toru` command."""

from __future__ import annotations

from toru.cli.main import main

main(prog_name="toru")
