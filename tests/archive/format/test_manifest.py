"""A manifest: written and read line by line, valid JSON, and refused when anything in it cannot be."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.archive.format.compression import Compression
from media_analysis.archive.format.manifest import ManifestFile, ManifestHead, ManifestReader, ManifestWriter
from media_analysis.errors import ArchiveDamaged
from tests.archive.format.archives import NOON, Content, bounded_memory, described, head_of, manifest_of, spool, zeros

FILES = described([Content("frames/a.jpg", b"a"), Content("outputs/ä.json", b"{}", "application/json")])
HEAD = head_of(FILES, Compression.GZIP)
WRITTEN = manifest_of(HEAD, FILES)

printable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30)
parts = printable.filter(lambda part: not set(part) & {"/", "\\"} and part not in {".", ".."})
instants = st.datetimes(timezones=st.just(UTC))
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | printable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(printable, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(printable, documents, max_size=4)
manifest_files = st.builds(
    ManifestFile,
    id=st.uuids(),
    name=st.lists(parts, min_size=1, max_size=3).map("/".join),
    filename=printable,
    category=printable,
    media_type=printable,
    size_bytes=st.integers(0, 2**40),
    sha256=st.binary(min_size=32, max_size=32),
    parent_id=st.none() | st.uuids(),
    role=st.none() | printable,
    ordinal=st.none() | st.integers(0, 2**31 - 1),
    instant_seconds=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    created_at=instants,
    stored_at=instants,
    expires_at=st.none() | instants,
    expiry_explicit=st.booleans(),
    min_retain_until=st.none() | instants,
    labels=st.none() | st.dictionaries(st.from_regex("[a-z0-9]{1,9}", fullmatch=True), st.just("v"), max_size=4),
)


def read(manifest: bytes) -> tuple[ManifestHead, list[ManifestFile], list[Any], list[Any]]:
    reader = ManifestReader(io.BytesIO(manifest))
    return reader.head, list(reader.files()), list(reader.results()), list(reader.events())


def changed(line: int, old: str, new: str) -> bytes:
    """Return the manifest with something else in one of its lines."""
    lines = WRITTEN.decode().splitlines(keepends=True)
    assert old in lines[line]
    lines[line] = lines[line].replace(old, new, 1)
    return "".join(lines).encode()


@given(
    files=st.lists(manifest_files, max_size=4, unique_by=(lambda file: file.name, lambda file: file.id)),
    results=st.lists(objects, max_size=3),
    events=st.lists(objects, max_size=3),
    job=objects,
)
def test_what_is_written_is_read_and_is_json_for_everybody(
    files: list[ManifestFile], results: list[dict[str, Any]], events: list[dict[str, Any]], job: dict[str, Any]
) -> None:
    head = head_of(files, Compression.ZSTD, job=job, segment=3)
    out = io.BytesIO()
    writer = ManifestWriter(out)

    writer.begin(head)
    for file in files:
        writer.add_file(file)
    for result in results:
        writer.add_result(result)
    for event in events:
        writer.add_event(event)
    writer.end()

    assert read(out.getvalue()) == (head, files, results, events)
    document = json.loads(out.getvalue())
    assert list(document) == ["format", "head", "files", "results", "events"]
    assert document["format"] == "media-analysis archive"
    assert [file["sha256"] for file in document["files"]] == [file.sha256.hex() for file in files]


def test_every_element_has_a_line_of_its_own() -> None:
    assert len(WRITTEN.splitlines()) == 1 + len(FILES) + 1 + 1 + 1 + 1 + 1


def test_instants_are_written_in_utc() -> None:
    abroad = NOON.astimezone(timezone(timedelta(hours=5)))

    manifest = manifest_of(HEAD, [replace(FILES[0], created_at=abroad), FILES[1]])

    assert json.loads(manifest)["files"][0]["created_at"] == "2026-03-04T12:00:00+00:00"
    assert read(manifest)[1] == FILES


def test_the_end_of_all_time_comes_back() -> None:
    forever = replace(FILES[0], expires_at=datetime.max.replace(tzinfo=UTC))

    assert read(manifest_of(HEAD, [forever, FILES[1]]))[1][0] == forever


def test_a_later_section_can_be_asked_for_at_once() -> None:
    assert list(ManifestReader(io.BytesIO(WRITTEN)).events()) == [{"type": "job.completed"}]


def test_sections_are_written_in_their_order() -> None:
    writer = ManifestWriter(io.BytesIO())
    writer.begin(HEAD)
    writer.add_event({})

    with pytest.raises(ValueError, match="results come before events"):
        writer.add_result({})


def test_a_line_too_long_to_be_read_is_not_written() -> None:
    writer = ManifestWriter(io.BytesIO())
    writer.begin(HEAD)

    with pytest.raises(ArchiveDamaged, match="a line of the manifest would have more"):
        writer.add_result({"text": "x" * 8 * 1024 * 1024})


@pytest.mark.parametrize(
    ("line", "old", "new", "reason"),
    [
        (0, "media-analysis", "other", "is not one of ours"),
        (0, '"version":1', '"version":2', "version"),
        (0, '"version":1', '"version":true', "version"),
        (0, '"version":1,', "", "version"),
        (0, '"segment":0', '"segment":-1', "segment"),
        (0, '"segment":0', '"segment":0,"more":0', "more"),
        (0, '"folder_name":"', '"folder_name":"../', "folder_name: Value error, it is more than one folder"),
        (0, '"sources":["0', '"sources":["x', "sources"),
        (0, '"files":2', '"files":3', "not as many or as large"),
        (0, '"size_bytes":3', '"size_bytes":4', "not as many or as large"),
        (1, '"size_bytes":1', '"size_bytes":-1', "size_bytes"),
        (1, '"size_bytes":1', '"size_bytes":1.0', "size_bytes"),
        (1, '"size_bytes":1', '"size_bytes":"1"', "size_bytes"),
        (1, '"size_bytes":1', '"size_bytes":1,"size_bytes":1', "a key is in it twice"),
        (1, '"size_bytes":1', '"size_bytes":99999999999999999999', "size_bytes"),
        (1, '"size_bytes":1,', "", "size_bytes"),
        (1, '"ordinal":0', '"ordinal":4294967296', "ordinal"),
        (1, '"instant_seconds":0.0', '"instant_seconds":1e999', "too large"),
        (1, '"instant_seconds":0.0', '"instant_seconds":NaN', "NaN is no JSON"),
        (1, '"expiry_explicit":false', '"expiry_explicit":0', "expiry_explicit"),
        (1, '"created_at":"2026-03-04T', '"created_at":"2026-13-04T', "created_at"),
        (1, '+00:00"', '"', "it is not an instant in UTC"),
        (1, '+00:00"', '+01:00"', "it is not an instant in UTC"),
        (1, '"created_at":"2026-03-04T12:00:00+00:00"', '"created_at":1', "it is not an instant in UTC"),
        (1, '"sha256":"', '"sha256":"00', "it is not a SHA-256"),
        (1, '"category":"frames"', '"category":"fr\\u0000"', "it has a NUL"),
        (1, '"category":"frames"', '"category":"\\ud800"', "surrogates not allowed"),
        (1, '"category":"frames"', '"category":"\x01"', "control character"),
        (1, "frames/a.jpg", "/frames/a.jpg", "its name is absolute"),
        (1, "frames/a.jpg", "frames/../a.jpg", "its name has an empty part"),
        (1, "frames/a.jpg", "frames//a.jpg", "its name has an empty part"),
        (1, "frames/a.jpg", "frames/./a.jpg", "its name has an empty part"),
        (1, "frames/a.jpg", "frames/", "its name has an empty part"),
        (1, "frames/a.jpg", "frames\\\\a.jpg", "NUL or a backslash"),
        (1, "frames/a.jpg", "frames\\u0000a.jpg", "NUL or a backslash"),
        (1, "frames/a.jpg", "", "its name is empty"),
        (1, "frames/a.jpg", "a" * 5000, "too long"),
        (1, "frames/a.jpg", "outputs/ä.json", "is in it twice"),
        (2, str(UUID(int=2)), str(UUID(int=1)), "is in it twice"),
        (1, "},\n", "}\n", "a comma is missing"),
        (1, "{", "[{", "line 2 of the manifest"),
        (2, "}\n", "},\n", "line 4 of the manifest"),
        (3, "results", "others", "line 4 of the manifest"),
        (4, '{"score":0.5}', "[0.5]", "it is not an object"),
        (4, '{"score":0.5}', '{"score":0.5,"score":1}', "a key is in it twice"),
        (4, '{"score":0.5}', '{"score":' + "[" * 100_000 + "}", "line 5 of the manifest"),
        (4, '{"score":0.5}', '{"score":' + "9" * 5_000 + "}", "line 5 of the manifest"),
        (7, "]}\n", "]}", "it is cut off"),
        (7, "]}\n", "]}\n\n", "something follows the manifest's end"),
        (7, "]}\n", "]", "it is cut off"),
    ],
)
def test_a_manifest_that_cannot_be_ours_is_refused_with_its_line(line: int, old: str, new: str, reason: str) -> None:
    with pytest.raises(ArchiveDamaged) as refused:
        read(changed(line, old, new))

    assert reason in refused.value.reason


@pytest.mark.parametrize(
    "manifest", [b"", b"\n", b"{}", b"{}\n", b"\xff\xfe\n", b'{"format": "media-analysis archive"}\n']
)
def test_anything_else_is_no_manifest(manifest: bytes) -> None:
    with pytest.raises(ArchiveDamaged):
        ManifestReader(io.BytesIO(manifest))


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(ArchiveDamaged, match="line 3 of the manifest"):
        read(WRITTEN.replace("ä".encode(), b"\xe4"))


def test_a_line_without_an_end_takes_no_more_memory_than_the_longest_that_is_read() -> None:
    with spool() as endless:
        endless.writelines(zeros(64 * 1024 * 1024))
        endless.seek(0)

        with bounded_memory(), pytest.raises(ArchiveDamaged, match="it is too long"):
            ManifestReader(endless)


@pytest.mark.parametrize("length", range(0, len(WRITTEN), 7))
def test_a_manifest_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(ArchiveDamaged):
        read(WRITTEN[:length])
