"""Tars nobody honest makes: each is refused with its reason, and none takes memory."""

import io
import tarfile
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import pytest

from media_analysis.archive.format.compression import Compression
from media_analysis.archive.format.frames import FrameReader
from media_analysis.archive.format.reading import TarReader, scan, verify
from media_analysis.errors import ArchiveDamaged
from tests.archive.format.archives import (
    END,
    FOLDER,
    bounded_memory,
    gzipped,
    member,
    pax,
    spool,
    squeezed,
    zeros,
)

GIB: Final = 1024**3
AFTER: Final = member("frames/after.jpg", b"after")


def entries(raw: io.BytesIO, *, lenient: bool = False) -> dict[str, bytes]:
    tar = TarReader(FrameReader(raw, Compression.GZIP), lenient=lenient)
    return {entry.name: b"".join(entry.chunks()) for entry in tar}


def refusal(raw: io.BytesIO, *, lenient: bool = False) -> ArchiveDamaged:
    with bounded_memory(), pytest.raises(ArchiveDamaged) as refused:
        entries(raw, lenient=lenient)
    return refused.value


def header(name: str, **fields: Any) -> bytes:
    """Return a header alone, whatever it says of a content."""
    return member(name, **fields)


def long_name(name: bytes) -> bytes:
    return member("././@LongLink", name + b"\x00", type=tarfile.GNUTYPE_LONGNAME)


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "the member is a symbolic link"),
        ({"type": tarfile.LNKTYPE, "linkname": "../x"}, "the member is a hard link"),
        ({"type": tarfile.CHRTYPE}, "the member is a device"),
        ({"type": tarfile.BLKTYPE}, "the member is a device"),
        ({"type": tarfile.FIFOTYPE}, "the member is a pipe"),
        ({"type": tarfile.GNUTYPE_SPARSE}, "the member is a sparse file"),
        ({"type": tarfile.XGLTYPE}, "the member is a global header"),
        ({"type": tarfile.CONTTYPE}, "the member is of an unknown kind"),
        ({"type": b"Z"}, "the member is of an unknown kind"),
        ({"type": tarfile.DIRTYPE, "size": GIB}, "the member is a directory"),
    ],
)
def test_a_member_that_is_no_file_is_refused_by_name(fields: dict[str, Any], reason: str, *, lenient: bool) -> None:
    refused = refusal(gzipped(header("frames/odd", **fields), AFTER, END), lenient=lenient)

    assert (refused.reason, refused.member) == (reason, "frames/odd")


def test_a_directory_is_refused_in_our_archives_and_passed_over_in_those_of_others() -> None:
    tar = [header("frames/", type=tarfile.DIRTYPE), AFTER, END]

    assert refusal(gzipped(*tar)).reason == "the member is a directory"
    assert entries(gzipped(*tar), lenient=True) == {"frames/after.jpg": b"after"}


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(
    "name",
    ["../x", "frames/../../x", "/etc/passwd", "//x", "a//b", "frames/.", "..", "a\\b", "a/../b", "c:\\x"],
)
@pytest.mark.parametrize("by", ["ustar", "pax", "gnu"])
def test_a_name_that_leads_elsewhere_is_refused(name: str, by: str, *, lenient: bool) -> None:
    tar = {
        "ustar": [member(name)],
        "pax": [pax({"path": name}), member("harmless")],
        "gnu": [long_name(name.encode()), member("harmless")],
    }

    refused = refusal(gzipped(*tar[by], AFTER, END), lenient=lenient)

    assert refused.reason.startswith("its name ")
    assert refused.member == name


@pytest.mark.parametrize("name", ["", "n" * 5_000, "a/" * 3_000 + "b"])
def test_a_name_of_no_or_too_great_a_length_is_refused_and_quoted_in_part(name: str) -> None:
    refused = refusal(gzipped(pax({"path": name}), member("harmless"), END))

    assert refused.reason == "its name is empty or too long"
    assert refused.member == name[:200]


def test_a_name_with_a_nul_is_refused_and_quoted_without_it() -> None:
    refused = refusal(gzipped(pax({"path": "a\x00b"}), member("harmless"), END))

    assert (refused.reason, refused.member) == ("its name has a NUL or a backslash", "a?b")


@pytest.mark.parametrize(
    ("tar", "reason"),
    [
        ([member("a", b"1"), member("a", b"2"), END], "the member is in the archive twice"),
        ([member("a", b"1"), pax({"path": "a"}), member("b"), END], "the member is in the archive twice"),
        ([member("a", b"1")], "the archive ends before its end is marked"),
        ([member("a", b"1"), END[:512]], "the archive ends before its end is marked"),
        ([member("a", b"1")[:-512], END], "the archive ends before its end is marked"),
        ([member("a", b"1")[:-1] + b"x", END], "the archive has something between two members"),
        ([member("a", b"1"), END[:512], AFTER, END], "something follows the end of the archive"),
        ([member("a", b"1"), END, AFTER, END], "something follows the end of the archive"),
        ([member("a", b"1"), END, b"x"], "something follows the end of the archive"),
        ([header("a", size=-1), END], "the member's size is negative"),
        ([b"b" + member("a")[1:], END], "a header cannot be read: bad checksum"),
        ([b"x" * 512, END], "a header cannot be read: invalid header"),
        ([pax({"size": "-1"}), member("a"), END], "says a size that is no number"),
        ([pax({"size": "1e3"}), member("a"), END], "says a size that is no number"),
        ([pax({"size": "600"}), member("a", b"1"), END], "the archive ends before its end"),
        ([pax({"mtime": "1.5"}), member("a"), END], "says mtime, which is not understood"),
        ([pax({"path": "a"}), pax({"path": "b"}), member("a"), END], "two extended headers follow each other"),
        ([pax({"path": "a"}), END], "is followed by the end of the archive"),
        ([pax({"path": "a"}) * 2, END], "two extended headers follow each other"),
        ([member("x", b"6 a=b\n6 a=b\n", type=tarfile.XHDTYPE), END], "which is not understood"),
        ([member("x", b"8 path=a\n9 path=b\n", type=tarfile.XHDTYPE), AFTER], "an extended header cannot be read"),
        ([member("x", b"9 path=a\n9 path=b\n", type=tarfile.XHDTYPE), AFTER], "an extended header says path twice"),
        ([member("x", b"99999 path=a\n", type=tarfile.XHDTYPE), AFTER], "an extended header cannot be read"),
        ([member("x", b"0 path=a\n", type=tarfile.XHDTYPE), AFTER], "an extended header cannot be read"),
        ([member("x", b"3 path=a\n", type=tarfile.XHDTYPE), AFTER], "an extended header cannot be read"),
        ([member("x", b"nonsense", type=tarfile.XHDTYPE), AFTER], "an extended header cannot be read"),
        ([member("x", b"11 path=\xff\xfe\n", type=tarfile.XHDTYPE), AFTER], "a name is not UTF-8"),
        ([long_name(b"\xff\xfe"), AFTER], "a name is not UTF-8"),
    ],
)
def test_a_tar_that_contradicts_itself_is_refused(tar: Sequence[bytes], reason: str) -> None:
    assert reason in refusal(gzipped(*tar)).reason


@pytest.mark.parametrize("keyword", ["GNU.sparse.map", "GNU.sparse.size", "linkpath", "hdrcharset"])
def test_what_would_change_a_member_is_refused_in_the_archives_of_others_too(keyword: str) -> None:
    refused = refusal(gzipped(pax({keyword: "1"}), AFTER, END), lenient=True)

    assert f"says {keyword}, which is not understood" in refused.reason


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_an_extended_header_of_a_gigabyte_is_refused_unread(kind: bytes) -> None:
    bomb = chain([header("x", type=kind, size=GIB)], zeros(64 * 1024 * 1024))

    refused = refusal(io.BytesIO(squeezed(Compression.GZIP, bomb)))

    assert refused.reason == "an extended header has more than 65536 bytes"


def test_a_gigabyte_of_padding_is_refused_after_its_first_mebibyte() -> None:
    raw = io.BytesIO(squeezed(Compression.GZIP, chain([AFTER, END], zeros(GIB))))

    assert refusal(raw).reason == "something follows the end of the archive"
    assert raw.tell() < len(raw.getvalue())


def test_a_member_of_a_gigabyte_is_not_decompressed_when_it_may_not_be() -> None:
    bomb = chain([AFTER, header("frames/bomb", size=GIB)], zeros(GIB), [END])
    raw = io.BytesIO(squeezed(Compression.ZSTD, bomb))

    with bounded_memory(), pytest.raises(ArchiveDamaged, match="more than 1000000 bytes"):
        list(scan(raw, max_bytes=1_000_000))


def test_a_member_of_a_gigabyte_that_is_honest_is_read_in_bounded_memory() -> None:
    bomb = chain([header("frames/bomb", size=GIB)], zeros(GIB), [END])
    raw = io.BytesIO(squeezed(Compression.ZSTD, bomb))

    with bounded_memory():
        [(entry, _)] = scan(raw, max_bytes=2 * GIB)

    assert entry.size_bytes == GIB


@pytest.mark.parametrize(
    ("size_bytes", "reason"), [(GIB, "the manifest has more than"), (64 * 1024 * 1024, "it is too long")]
)
def test_a_manifest_of_zeros_is_refused_in_bounded_memory(size_bytes: int, reason: str) -> None:
    bomb = chain([header(f"{FOLDER}/manifest.json", size=size_bytes)], zeros(size_bytes), [END])
    raw = io.BytesIO(squeezed(Compression.GZIP, bomb))

    with bounded_memory(), pytest.raises(ArchiveDamaged) as refused:
        verify(raw, spool=spool)

    assert reason in refused.value.reason


def test_content_not_asked_for_is_passed_over_and_later_not_to_be_had() -> None:
    tar = TarReader(FrameReader(gzipped(member("a", b"a" * 700), AFTER, END), Compression.GZIP))

    first, second = tar.next(), tar.next()

    assert first is not None
    assert second is not None
    with pytest.raises(ValueError, match="not the current entry any more"):
        list(first.chunks())
    assert b"".join(second.chunks()) == b"after"
    assert tar.next() is None


def test_padding_as_tar_writes_it_is_no_damage() -> None:
    assert entries(gzipped(AFTER, END, bytes(20 * 512))) == {"frames/after.jpg": b"after"}
