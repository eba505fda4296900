"""What of a plugin's headers may stand in an answer at all: what HTTP allows, and how much clients and proxies take."""

from __future__ import annotations

import re
from typing import Final

MAX_HEADERS: Final = 256
MAX_HEADER_BYTES: Final = 64 * 1024
# RFC 9110, 5.6.2 and 5.5.
TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
FIELD_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
