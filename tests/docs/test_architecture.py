"""What the newcomer's page says of the house is so."""

import re
import tomllib
from typing import Final

import pytest

from tests.docs.pages import ROOT

PAGE: Final = (ROOT / "docs" / "architecture.md").read_text()
JOURNEYS: Final = re.findall(r"^### (.+?)\n(.+?)(?=^##)", PAGE, re.DOTALL | re.MULTILINE)
MOST_FILES: Final = 12


def _names(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_packages_stand_in_the_order_of_the_layers() -> None:
    table = PAGE.partition("## The house")[2].partition("Beside the package:")[0]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")

    told = [_names(line.split("|")[1]) for line in table.splitlines() if line.startswith("| `")]

    assert told == [re.findall(r"\w+", layer) for layer in layers if layer != "__main__"]


def test_there_are_the_journeys_of_an_upload_a_sweep_a_job_a_restore_and_an_event() -> None:
    assert [name for name, _ in JOURNEYS] == ["An upload", "A sweep", "A job", "A restore", "An event"]


@pytest.mark.parametrize(("journey", "text"), JOURNEYS, ids=[name for name, _ in JOURNEYS])
def test_a_journey_goes_through_a_dozen_files_at_most_which_exist(journey: str, text: str) -> None:
    files = [name for name in _names(text) if name.endswith(".py")]

    assert 0 < len(set(files)) <= MOST_FILES, journey
    assert [name for name in files if not (ROOT / "media_analysis" / name).is_file()] == []
