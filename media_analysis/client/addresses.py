"""The address of a server."""

from urllib.parse import urlsplit


def address(url: str) -> str:
    """Return the address of a server as it is written everywhere: without a slash at its end.

    Raises:
        ValueError: it is none, or holds what belongs nowhere.

    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        (parts.hostname or "").encode("idna")  # as it is resolved
    except ValueError:
        raise ValueError("the server's address is none") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("the server's address must begin with http:// or https:// and a host")
    if "@" in parts.netloc or any(sign in url for sign in "?#") or not url.strip().isprintable() or " " in url.strip():
        raise ValueError("the server's address must be an address alone, without a name, a password or a query")
    return url.strip().rstrip("/")
