"""DATABASE_URL in libpq's words: they work, or are refused by name."""

import re
import socket
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import make_url, text

from media_analysis.db.address import Address
from media_analysis.db.database import DatabaseOptions, open_database
from media_analysis.db.migrations import migrate
from media_analysis.errors import DatabaseUnavailable
from tests.files.cutting_proxy import cutting_proxy

URL = "postgresql://u:p@h:5432/db"
ASKED = text("""
    SELECT current_setting('application_name') AS name, current_setting('statement_timeout') AS statement_timeout,
        current_setting('jit') AS jit, current_setting('geqo') AS geqo
""")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("keepalives=1", "keepalives is not supported"),
        ("channel_binding=require", "channel_binding=require is not supported, only disable, prefer"),
        ("target_session_attrs=standby", "target_session_attrs=standby is not supported"),
        ("sslmode=sometimes", "sslmode=sometimes is not supported"),
        ("gssencmode=require", "gssencmode=require is not supported"),
        ("connect_timeout=soon", "connect_timeout must be whole seconds"),
        ("sslmode=require&sslmode=disable", "sslmode is given twice"),
    ],
)
def test_what_would_be_ignored_or_cannot_work_is_refused_by_name(words: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Address.parse(f"{URL}?{words}")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("postgresql://h/db?host=other", "host"),
        ("postgresql://h/db?port=5433", "port"),
        ("postgresql://u@/db?user=other", "user"),
        ("postgresql://u:p@/db?password=other", "password"),
        ("postgresql:///db?host=h&dbname=other", "dbname"),
    ],
)
def test_what_is_said_before_the_question_mark_and_behind_it_is_refused(url: str, word: str) -> None:
    with pytest.raises(ValueError, match=rf"{word} is given twice, before the \? and behind it"):
        Address.parse(url)


@pytest.mark.parametrize("word", ["sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"])
async def test_a_file_of_the_url_that_is_not_there_is_named(word: str, tmp_path: Path) -> None:
    named = f"{word}={tmp_path / 'mistyped'}"

    async with open_database(f"{URL}?sslmode=verify-full&{named}", DatabaseOptions()) as db:
        with pytest.raises(DatabaseUnavailable, match=re.escape(f"{named} cannot be read")):
            await db.now()


async def test_what_the_driver_cannot_be_configured_with_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    async with open_database(f"{URL}?sslmode=verify-full", DatabaseOptions()) as db:
        with pytest.raises(DatabaseUnavailable, match=r"root certificate file .*root\.crt. does not exist"):
            await db.now()


async def test_a_setting_said_in_the_url_goes_before_ours_however_it_is_spelled(database: str) -> None:
    spelled = quote("-c TimeZone=Europe/Berlin --statement-timeout=7s")
    async with (
        open_database(f"{database}{'&' if '?' in database else '?'}options={spelled}", DatabaseOptions()) as db,
        db.read_only() as session,
    ):
        said = [
            (await session.execute(text(f"SHOW {name}"))).scalar_one() for name in ("timezone", "statement_timeout")
        ]

    assert said == ["Europe/Berlin", "7s"]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_the_driver_is_given_its_own_words_only(scheme: str) -> None:
    words = "sslmode=verify-full&connect_timeout=7&channel_binding=prefer&options=-c%20geqo%3Doff&application_name=a"
    address = Address.parse(f"{scheme}://u:p%40@h:5432,[::1]:5433/db?{words}")

    assert address.dsn == "postgresql://u:p%40@h:5432,[::1]:5433/db?sslmode=verify-full&target_session_attrs=read-write"
    assert (address.connect_timeout_seconds, address.application_name) == (7, "a")
    assert (address.options, address.chosen) == ("-c geqo=off", frozenset({"geqo"}))


async def test_the_words_of_the_url_go_before_our_own(database: str) -> None:
    words = "application_name=theirs&options=-c%20statement_timeout%3D7s%20-c%20geqo%3Doff"
    url = f"{database}{'&' if '?' in database else '?'}{words}&connect_timeout=9&target_session_attrs=read-write"

    async with open_database(url, DatabaseOptions()) as db, db.transaction() as session:
        said = (await session.execute(ASKED)).one()
    await migrate(url)

    assert tuple(said) == ("theirs", "7s", "off", "off")


async def test_of_several_hosts_the_one_that_answers_is_used(database: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with cutting_proxy(database) as proxy:
            there = make_url(proxy.url)
            hosts = f"127.0.0.1:{closed.getsockname()[1]},127.0.0.1:{there.port}"
            url = f"postgresql://{there.username}:{there.password}@{hosts}/{there.database}"
            async with open_database(url, DatabaseOptions()) as db, db.read_only() as session:
                assert (await session.execute(text("SELECT 1"))).scalar_one() == 1


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u@a,b:5433,[::1]:5434/db", [("a", 5432), ("b", 5433), ("::1", 5434)]),
        ("postgresql://u@/db?host=a,/run/b&port=5433", [("a", 5433), ("/run/b", 5433)]),
        ("postgresql://u@/db?host=a,b&port=5433,", [("a", 5433), ("b", 5432)]),
        (URL, []),
    ],
)
def test_of_several_hosts_each_is_known_and_the_one_that_takes_changes_wanted(
    url: str, hosts: list[tuple[str, int]]
) -> None:
    address = Address.parse(url)

    assert list(address.hosts) == hosts
    assert ("target_session_attrs=read-write" in address.dsn) == bool(hosts)


@pytest.mark.parametrize("words", ["host=a,b&port=1,2,3", "host=a,b&port=some"])
def test_ports_that_fit_no_hosts_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="port must be a number, or as many as there are hosts"):
        Address.parse(f"postgresql://u@/db?{words}")


async def test_a_host_that_says_nothing_delays_the_next_by_an_instant(database: str) -> None:
    url = make_url(database)
    silent = socket.create_server(("127.0.0.1", 0))  # connects, and hears nothing more
    port = silent.getsockname()[1]
    host, real_port = url.query.get("host", url.host), url.query.get("port", url.port or 5432)
    both = url.set(host=None, port=None).update_query_dict({"host": f"127.0.0.1,{host}", "port": f"{port},{real_port}"})

    with silent:
        async with open_database(both.render_as_string(hide_password=False), DatabaseOptions()) as db:
            await db.now()
