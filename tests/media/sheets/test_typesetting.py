"""Words on pictures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.media.sheets.typesetting import ELLIPSIS, MARK, elided, printable, typeface, wrapped

FONT = typeface(16)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("bikes.mp4", "bikes.mp4"),
        ("", ""),
        ("a\x00b\x1b[2J\r\nc\td", "ab[2J c d"),
        ("\u202egpj.4pm\u202c\u200b\u2066x\u2069", "gpj.4pmx"),
        ("Müller \N{EN DASH} Gruß & Ærø.mp4", "Muller - Gruss & AEro.mp4"),
        ("u\u0308", "u"),
        ("1920 \N{MULTIPLICATION SIGN} 1080", "1920 x 1080"),
        ("\N{FULLWIDTH DIGIT ONE}2.mp4", "12.mp4"),
        ("東京.mp4", f"{MARK}{MARK}.mp4"),
        ("東京タワーの夜景.mp4", f"{MARK * 3}.mp4"),
        ("\N{CLAPPER BOARD}\ufe0f\u200d.mp4", f"{MARK}.mp4"),
        ("a\ud800b", f"a{MARK}b"),
        ("“quoted”… ·", "“quoted”… ·"),
    ],
)
def test_a_name_becomes_one_line_that_can_be_drawn(name: str, shown: str) -> None:
    assert printable(name) == shown


@given(st.text(st.characters(), max_size=300))
def test_anything_can_be_drawn(text: str) -> None:
    drawn = printable(text)

    assert printable(drawn) == drawn
    assert drawn.isprintable()
    FONT.getmask(drawn)


def test_what_fits_is_left_alone() -> None:
    assert elided("bikes.mp4", FONT, 200) == "bikes.mp4"


@given(st.text("abcilmWM_. ", max_size=200), st.integers(20, 400))
def test_what_is_too_wide_loses_its_middle_and_fills_the_room(text: str, width: int) -> None:
    shown = elided(text, FONT, width)

    assert FONT.getlength(shown) <= width
    if shown != text:
        head, _, tail = shown.partition(ELLIPSIS)
        assert text.startswith(head)
        assert text.endswith(tail)
        assert FONT.getlength(shown) > width - 3 * FONT.getlength("W") - text.count(" ") * 4


def test_the_ending_of_a_long_name_stays() -> None:
    assert elided("holiday " * 40 + "2024.mp4", FONT, 300).endswith("2024.mp4")


def test_facts_are_set_on_as_few_lines_as_they_need() -> None:
    facts = ["0:00:10", "640 x 272", "H.264", "25 fps", "498 KiB"]

    assert wrapped(facts, FONT, 10_000) == ["0:00:10  ·  640 x 272  ·  H.264  ·  25 fps  ·  498 KiB"]
    assert wrapped(facts, FONT, 1) == [ELLIPSIS] * 5
    assert wrapped([], FONT, 100) == []
    lines = wrapped(facts, FONT, 180)
    assert "  ·  ".join(lines) == "  ·  ".join(facts)
    assert 1 < len(lines) < 5
    assert all(FONT.getlength(line) <= 180 for line in lines)
