"""Places that headers tell of, wherever those are."""

from pathlib import Path

import pytest

from media_analysis.media.reading import open_unwaiting, read_at


@pytest.mark.parametrize("power", [20, 44, 48, 56, 61, 62, 63, 64, 100])
def test_there_is_nothing_behind_the_end_of_a_file_however_far(power: int, tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(b"12345678")

    with open_unwaiting(path) as file:
        assert read_at(file, 2**power, 12) == b""
        assert read_at(file, 2**power - 1, 12) == b""
        assert read_at(file, 6, 12) == b"78"
