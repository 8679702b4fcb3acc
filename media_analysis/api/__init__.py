"""All of HTTP."""

from typing import Final

API_PATH: Final = "/api/v1"
"""What every versioned route begins with."""
