"""The embedded PostgreSQL: shipped binaries, a small supervised start, nobody else let in."""

from media_analysis.db.embedded.location import unlink_server
from media_analysis.db.embedded.server import EmbeddedServer, embedded_server

__all__ = ["EmbeddedServer", "embedded_server", "unlink_server"]
