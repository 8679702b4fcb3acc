"""The search for statements that write a table finds them, however they are spelled."""

import pytest

from scripts.survey.modules import read_module
from scripts.survey.writes import UNKNOWN, find_writes, writers_of

MODELS = """
class Cup(Base):
    __tablename__ = "cups"


class Plate(Base):
    __tablename__ = "plates"
"""


def writes_of(source: str) -> list[tuple[str, str, int]]:
    modules = [read_module(MODELS, "kitchen.models"), read_module(source, "kitchen.sink.washing")]
    return [(write.table, write.verb, write.line) for write in find_writes(modules)]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('text("INSERT INTO cups (id) VALUES (1)")', [("cups", "INSERT", 1)]),
        ('text("UPDATE ONLY public.cups SET id = 1")', [("cups", "UPDATE", 1)]),
        ('text("DELETE FROM garden.roses")', [("roses", "DELETE", 1)]),
        ('text("delete from cups")', [("cups", "DELETE", 1)]),
        ('text("MERGE INTO cups USING plates")', [("cups", "MERGE", 1)]),
        ('text("TRUNCATE cups")', [("cups", "TRUNCATE", 1)]),
        ('text("UPDATE elsewhere SET id = 1")', [("elsewhere", "UPDATE", 1)]),
        ('text("""\n    WITH gone AS (DELETE FROM cups)\n    UPDATE plates AS plate SET id = 1""")',
         [("cups", "DELETE", 2), ("plates", "UPDATE", 3)]),
        ('text(f"UPDATE cups SET {column} = 1 WHERE {condition}")', [("cups", "UPDATE", 1)]),
        ('TABLE = "jugs"\ntext(f"DELETE FROM {TABLE}")', [("jugs", "DELETE", 2)]),
        ('text(f"DELETE FROM {table}")', [(UNKNOWN, "DELETE", 1)]),
        ('text("DELETE FROM {table}".format(table=table))', [(UNKNOWN, "DELETE", 1)]),
        ('way = {"end": "DELETE"}', [(UNKNOWN, "DELETE", 1)]),
        ("from sqlalchemy import update\nupdate(Cup).values(id=1)", [("cups", "UPDATE", 2)]),
        ("from sqlalchemy.dialects.postgresql import insert as put\nput(Cup)", [("cups", "INSERT", 2)]),
        ("import sqlalchemy\nsqlalchemy.delete(models.Cup)", [("cups", "DELETE", 2)]),
        ("from sqlalchemy import delete\ndelete(model)", [(UNKNOWN, "DELETE", 2)]),
        ("from kitchen.models import Cup as Mug\nMug.__table__.insert()", [("cups", "INSERT", 2)]),
        ("session.add(Cup(id=1))", [("cups", "INSERT", 1)]),
        ("async def wash(cup: Cup | None) -> None:\n    cup.clean += 1", [("cups", "UPDATE", 2)]),
        ("def find() -> tuple[Cup, int]: ...\ndef f():\n    cup, at = find()\n    cup.a = at", [("cups", "UPDATE", 4)]),
        ("async def wash(s):\n    cup = await s.get(Cup, 1)\n    cup.a, cup.b = 1, 2", [("cups", "UPDATE", 3)]),
        ("await session.delete(cup)", [(UNKNOWN, "DELETE", 1)]),
    ],
)  # fmt: skip
def test_a_statement_that_writes_is_found(source: str, found: list[tuple[str, str, int]]) -> None:
    assert writes_of(source) == found


@pytest.mark.parametrize(
    "source",
    [
        'text("SELECT id FROM cups FOR UPDATE OF cups")',
        'text("SELECT id FROM cups FOR NO KEY UPDATE SKIP LOCKED")',
        'text("ON CONFLICT (id) DO UPDATE SET id = 1")',
        '"""Say when to DELETE FROM cups."""',
        'raise Refused("to update it, delete from another place first")',
        "digest.update(chunk)",
        "service.delete(cup_id)",
        "def read(cup: Cup) -> Cup: ...",
    ],
)
def test_what_only_reads_or_speaks_of_it_is_no_statement(source: str) -> None:
    assert writes_of(source) == []


def test_a_table_is_told_with_all_packages_that_write_it() -> None:
    modules = [
        read_module(MODELS, "kitchen.models"),
        read_module('text("UPDATE cups SET id = 1")', "kitchen.sink.washing"),
        read_module("Cup()", "kitchen.shelf"),
    ]

    assert writers_of(modules) == {"cups": {"sink", "shelf"}}
