"""The benchmarks are not installed: they are found beside the tests."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_spec = spec_from_file_location("benchmarks", Path(__file__).parents[2] / "benchmarks" / "__init__.py")
assert _spec is not None
assert _spec.loader is not None
sys.modules["benchmarks"] = module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["benchmarks"])
