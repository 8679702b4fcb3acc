"""The database's password in a file of its own, as secrets are handed to services and containers."""

from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

LONGEST_BYTES: Final = 4096
_PASSWORDS: Final = frozenset({"password", "passfile"})
"""The words of a URL that tell a password, too."""


def with_password(url: str, path: Path) -> str:
    """Return the URL of a database with the password that is in a file.

    Raises:
        ValueError: the file cannot be read or is no password, or the URL has no place for one; never quotes either.

    """
    parts = urlsplit(url)
    user, _, hosts = parts.netloc.rpartition("@")
    if not user:
        raise ValueError("DATABASE_URL names no user before @ whose password that is")
    if ":" in user or _PASSWORDS & dict(parse_qsl(parts.query, keep_blank_values=True)).keys():
        raise ValueError("DATABASE_URL tells a password itself")
    return parts._replace(netloc=f"{user}:{quote(_read(path), safe='')}@{hosts}").geturl()


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            raise ValueError("no file that is there")
        with path.open("rb") as file:
            read = file.read(LONGEST_BYTES + 1)
    except OSError as error:
        raise ValueError(error.strerror) from None
    line = read.removesuffix(b"\n").removesuffix(b"\r")
    if not line:
        raise ValueError("the file is empty")
    if len(read) > LONGEST_BYTES:
        raise ValueError(f"the file is longer than {LONGEST_BYTES} bytes")
    try:
        password = line.decode()
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8") from None
    if not password.isprintable():
        raise ValueError("the file has more than one line, or characters that are not printed")
    return password
