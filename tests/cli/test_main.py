"""What the program itself refuses, before any command reads it."""

import os
import sys
from pathlib import Path

import pytest

from media_analysis.cli import main

BYTES = os.fsdecode(b"a\xff")


@pytest.mark.parametrize("words", [("job", "list", "--owner", BYTES), ("job", "list", f"--kind={BYTES}")])
def test_words_that_are_no_text_are_refused_in_one_sentence(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["media-analysis", *words])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 1
    assert "\\udcff' is not text in UTF-8\n" in capsys.readouterr().err


def test_the_name_of_a_file_may_be_any_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / BYTES).mkdir()
    monkeypatch.setattr(sys, "argv", ["media-analysis", "job", "nonsense", str(tmp_path / BYTES)])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    assert "No such command 'nonsense'" in capsys.readouterr().err
