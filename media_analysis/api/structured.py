"""Dictionaries of structured fields (RFC 8941 section 3.2), as far as digests need them."""

import re
from collections.abc import Sequence
from typing import Final

from media_analysis.errors import InvalidRequest

_KEY: Final = r"[a-z*][a-z0-9_.*-]*"
_WORD: Final = r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*"
_STRING: Final = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
_BARE: Final = rf":[A-Za-z0-9+/=]*:|{_STRING}|-?[0-9]{{1,15}}(?:\.[0-9]{{1,3}})?|\?[01]|{_WORD}"
_MEMBER: Final = re.compile(rf"({_KEY})(?:=({_BARE}))?(?:; *{_KEY}(?:=(?:{_BARE}))?)*[ \t]*")
_COMMA: Final = re.compile(r",[ \t]*")


def parse_dictionary(field: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    """Return the members of a dictionary in their order, each with its item as it was written, without parameters.

    A member named twice is there twice; one that stands alone is `?1`.

    Raises:
        InvalidRequest: the lines of this field are no dictionary of items.

    """
    text = ", ".join(lines).strip(" ")
    members: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        if members:
            comma = _COMMA.match(text, position)
            position = comma.end() if comma else position
        member = _MEMBER.match(text, position)
        if member is None or (members and not comma):
            raise InvalidRequest(field, "must be a dictionary as in sha-256=:…: (RFC 8941)")
        members.append((member[1], member[2] or "?1"))
        position = member.end()
    return members
