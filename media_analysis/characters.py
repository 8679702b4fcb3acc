"""Characters that steer whatever shows them: terminals, logs and the order in which people read."""

import re
from typing import Final

_STEERING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""Controls, separators of lines, bidirectional controls (UAX #9, section 2), lone surrogates."""


def escape_controls(text: str, *, keep: str = "") -> str:
    r"""Return `text` with what steers written as `\u001b`, which JSON reads back, but for the characters to `keep`."""
    return _STEERING.sub(lambda match: match[0] if match[0] in keep else f"\\u{ord(match[0]):04x}", text)
