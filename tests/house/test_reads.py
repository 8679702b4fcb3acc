"""Statements that read what a layer above owns are found."""

import pytest

from scripts.survey.modules import read_module
from scripts.survey.reads import find_upward_reads

LAYERS = ["table", "oven | (sink)", "pantry"]
MODELS = [
    read_module('class Plate(Base):\n    __tablename__ = "plates"\n', "kitchen.table"),
    read_module('class Cup(Base):\n    __tablename__ = "cups"\n', "kitchen.sink.models"),
]


@pytest.mark.parametrize(
    ("name", "source", "found"),
    [
        ("kitchen.pantry.jars", 'text("SELECT id FROM cups")', [("cups", "sink", 1)]),
        ("kitchen.pantry.jars", 'text(f"""\n    SELECT FROM {jars} JOIN cups ON true""")', [("cups", "sink", 2)]),
        (
            "kitchen.pantry.jars",
            'text("DELETE FROM jars USING cups, plates")',
            [("cups", "sink", 1), ("plates", "table", 1)],
        ),
        ("kitchen.oven", 'text("SELECT id FROM cups")', [("cups", "sink", 1)]),
        ("kitchen.sink.washing", 'text("SELECT id FROM cups")', []),
        ("kitchen.table", 'text("SELECT id FROM cups")', []),
        ("kitchen.pantry.jars", '"""Nothing is taken FROM cups."""', []),
    ],
)
def test_a_read_of_a_table_above_is_found(name: str, source: str, found: list[tuple[str, str, int]]) -> None:
    upward = find_upward_reads([*MODELS, read_module(source, name)], LAYERS)

    assert [(read.table, read.home, read.line) for read in upward] == found
