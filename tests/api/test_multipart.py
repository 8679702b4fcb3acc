"""Taking forms apart: whatever a file holds, and wherever the network cuts, its bytes come out as they went in."""

import re
from collections.abc import AsyncIterator
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from media_analysis.api.multipart import FormStream, read_boundary
from tests.api.forms import BOUNDARY, END, FORM_TYPE, field, file

DELIMITER = f"\r\n--{BOUNDARY}".encode()
CUT_SHORT = [DELIMITER, DELIMITER[:-1], DELIMITER + b"x", DELIMITER + b"-x", DELIMITER[2:]]
ALMOST = [b"\r", b"\n", b"-", b"\r\n", b"--", b"\0", *CUT_SHORT]
CONTENT = st.lists(st.sampled_from(ALMOST), max_size=12).map(b"".join)
AROUND = [(b"", b""), (b"a preamble -\r\n", b""), (b"\r\n", b"an epilogue"), (b"", DELIMITER)]


async def in_cuts(body: bytes, cuts: list[float]) -> AsyncIterator[bytes]:
    places = sorted({0, len(body), *(int(cut * len(body)) for cut in cuts)})
    for start, end in pairwise(places):
        yield body[start:end]


@given(content=CONTENT, around=st.sampled_from(AROUND), cuts=st.lists(st.floats(0, 1), max_size=6), late=st.booleans())
async def test_the_bytes_of_a_file_come_out_as_they_went_in(
    content: bytes, around: tuple[bytes, bytes], cuts: list[float], *, late: bool
) -> None:
    assume(not re.search(DELIMITER + rb"(--|[ \t]*\r\n)", content + b"\r\n--"))
    behind = field("filename", "late.bin") if late else b""
    body = around[0] + field("category", "temp") + file(content) + behind + END + around[1]

    part = await FormStream(in_cuts(body, cuts), read_boundary(FORM_TYPE), may_follow={"filename"}).open_file()
    out = b"".join([chunk async for chunk in part.body])

    assert out == content
    assert (part.fields, part.late) == ({"category": "temp"}, {"filename": "late.bin"} if late else {})
