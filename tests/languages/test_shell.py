"""The example in shell, asked for what its jq could not write."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.languages.documents import ROOT
from tests.plugin.driver import PATIENCE, Peer


@pytest.mark.parametrize("name", ["%ED%A0%80", "%F7%BF%BF%BF", "%FF", "%E2%82"])
def test_a_query_that_is_no_text_costs_nobody_an_answer(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s"
    plugin = subprocess.Popen(
        [ROOT / "plugins/hello-shell/hello-shell.sh"],
        env={"PATH": os.environ["PATH"], "TORU_PLUGIN_SOCKET": str(path)},
        stdout=subprocess.DEVNULL,
    )
    try:
        until = 'until [ -S "$1" ]; do sleep 0.02; done'
        subprocess.run(["bash", "-c", until, "bash", path], check=True, timeout=PATIENCE)
        with Peer(path) as peer:
            peer.ask("1", f"/?name={name}")
            peer.ask("2", "/?name=Zo%C3%AB")
            assert peer.answer()[:2] == ("1", 200)
            assert peer.answer() == ("2", 200, "Hello, Zoë, from the shell!\n".encode())
            peer.send("lifecycle", None, {"action": "shutdown", "grace_seconds": 5})
            assert plugin.wait(PATIENCE) == 0
    finally:
        if plugin.poll() is None:
            # Not SIGKILL: it is the plugin that ends its socat, which is in a group of its own.
            plugin.terminate()
            plugin.wait(PATIENCE)
