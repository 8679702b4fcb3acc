"""The reference of media names what is read, and nothing that is not."""

import re

import pytest
from av.codec.codec import Codec

from media_analysis.media.films.opening import SELF_CONTAINED
from media_analysis.media.stills.images import READ_TYPES
from media_analysis.media.types.known import UNKNOWN, family_of, is_read, type_of_extension
from scripts.pages.media import page

ROW = re.compile(r"^\| (\w+) \| [^|]+ \| `([^`]+)` \| (.+) \|$", re.MULTILINE)


def section(title: str) -> str:
    return page().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_table_has_what_is_read_in_its_family_and_no_other() -> None:
    rows = ROW.findall(section("Containers and pictures"))

    assert [name for family, name, _ in rows if family_of(name) != family] == []
    assert [name for _, name, _ in rows if not is_read(name) and name not in READ_TYPES] == []
    assert {name for _, name, _ in rows} >= READ_TYPES
    assert [part for *_, named in rows for part in named.split(", ") if type_of_extension(part[2:-1]) == UNKNOWN] == []
    assert len(rows) > len(SELF_CONTAINED.split(","))


@pytest.mark.parametrize("name", re.findall(r"`([a-z0-9]+)`[,;.]? ?", section("Codecs").partition("A stream")[0]))
def test_codecs_that_are_named_have_decoders(name: str) -> None:
    assert Codec(name, "r").is_decoder
