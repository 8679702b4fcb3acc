"""Names of members: safe everywhere, unique whatever the case, as like the original as can be."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.archive.format.names import NAME_BYTES, Names

RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
hostile = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="aA.-2 /\\:\x00\u0301é", max_size=12),
    st.sampled_from(["CON", "nul.txt", "com1.tar.gz", "..", "../x", ". .", "a" * 400 + ".jpeg", "x." + "é" * 300]),
)


def assert_safe(name: str) -> None:
    assert name
    assert len(name.encode()) <= NAME_BYTES
    assert name == unicodedata.normalize("NFC", name)
    assert name == name.strip(". ")
    assert not set(name) & set('/\\<>:"|?*')
    assert all(unicodedata.category(each) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for each in name)
    assert name.partition(".")[0].rstrip().lower() not in RESERVED


@given(filenames=st.lists(hostile, max_size=40))
def test_names_are_safe_and_no_two_are_the_same_on_any_file_system(filenames: list[str]) -> None:
    names = Names()

    chosen = [names.choose("frames", filename) for filename in filenames]

    for name in chosen:
        folder, _, rest = name.partition("/")
        assert folder == "frames"
        assert_safe(rest)
    assert len({unicodedata.normalize("NFC", name).casefold() for name in chosen}) == len(filenames)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("frame-000001.jpg", "frame-000001.jpg"),
        ("Größe 5%.json", "Größe 5%.json"),
        ("e\u0301te\u0301.png", "été.png"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\temp\\a.txt", "C__temp_a.txt"),
        ("a\x00b\nc.txt", "a_b_c.txt"),
        ("photo\u202egpj.exe", "photo_gpj.exe"),
        (".bashrc", "bashrc"),
        ("report. . ", "report"),
        ("NUL.txt", "_NUL.txt"),
        ("nul" + " " * 300 + "a.txt", "_nul.txt"),
        ("console.txt", "console.txt"),
        ("", "file"),
        ("...", "file"),
        ("\udcff.jpg", "_.jpg"),
        ("x" * 300 + ".jpeg", "x" * 195 + ".jpeg"),
        ("é" * 300 + ".jpeg", "é" * 97 + ".jpeg"),
    ],
)
def test_a_name_stays_as_like_the_original_as_is_safe(filename: str, expected: str) -> None:
    assert Names().choose("uploads", filename) == f"uploads/{expected}"


def test_the_same_name_gets_a_number_before_its_extension() -> None:
    names = Names()

    chosen = [names.choose("frames", name) for name in ("a.jpg", "A.JPG", "a.jpg", "a-2.jpg", "a")]

    assert chosen == ["frames/a.jpg", "frames/A-2.JPG", "frames/a-3.jpg", "frames/a-2-2.jpg", "frames/a"]


def test_folders_do_not_share_their_names() -> None:
    names = Names()

    assert [names.choose(folder, "a.jpg") for folder in ("frames", "outputs")] == ["frames/a.jpg", "outputs/a.jpg"]


def test_names_already_given_out_are_not_given_again() -> None:
    names = Names(["frames/a.jpg", "frames/A-2.jpg"])

    assert names.choose("frames", "a.jpg") == "frames/a-3.jpg"


@pytest.mark.parametrize("filename", ["same.jpg", "s" * 400 + ".jpg"])
def test_a_hundred_thousand_files_may_have_the_same_name(filename: str) -> None:
    names = Names()

    chosen = {names.choose("frames", filename) for _ in range(100_000)}

    assert len(chosen) == 100_000
    assert max(len(name) for name in chosen) <= len("frames/") + NAME_BYTES


def test_long_names_that_differ_at_their_ends_are_numbered_in_one_series() -> None:
    names = Names()
    long = [f"{'n' * 192}{number:04}.jpg" for number in range(5_000)]

    chosen = [names.choose("frames", name) for name in long + long]

    assert len({name.casefold() for name in chosen}) == 10_000
    assert all(len(name.encode()) <= len("frames/") + NAME_BYTES for name in chosen)
