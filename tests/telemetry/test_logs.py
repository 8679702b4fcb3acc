"""Logs: one JSON object or one readable line per event, and no secret in any of them."""

import json
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog

from media_analysis.errors import Misconfigured
from media_analysis.retention.notices.service import ClaimedNotice
from media_analysis.retention.notices.webhook import AlertWebhook
from media_analysis.telemetry.logs import Format, LogFile, configure_logging, mask_secrets
from tests.webhooks.receiver import receiving

TOKEN = "mas_" + "A1b2-C3d4_" * 4
URL = "postgresql://someone:verysecret@127.0.0.1:5432/any"


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def masked(**event: object) -> dict[str, Any]:
    return dict(mask_secrets(None, "info", event))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"Bearer {TOKEN}, again {TOKEN}", "Bearer ***, again ***"),
        (f"cannot reach {URL}", "cannot reach postgresql://***@127.0.0.1:5432/any"),
        ([{"text": TOKEN}, (URL,)], [{"text": "***"}, ["postgresql://***@127.0.0.1:5432/any"]]),
        (ValueError(TOKEN), "ValueError('***')"),
        (f"GET /x/links/{UUID(int=1)}.{'aZ-_' * 11}/b.mp4", f"GET /x/links/{UUID(int=1)}.***/b.mp4"),
        ({"headers": {"Authorization": "Basic abc"}}, {"headers": {"Authorization": "***"}}),
        ("signed with whsec_c2VjcmV0c2VjcmV0+/==", "signed with ***"),
        ("mas_ is the prefix, masked_by_default is a word", "mas_ is the prefix, masked_by_default is a word"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (7, 7),
        (None, None),
    ],
)
def test_secrets_are_masked_in_values_however_deep(value: object, expected: object) -> None:
    assert masked(event="any.thing", about=value) == {"event": "any.thing", "about": expected}


@pytest.mark.parametrize("name", ["authorization", "Authorization", "password", "token", "cookie", "secret"])
def test_secrets_are_masked_by_their_name(name: str) -> None:
    assert masked(**{name: "whatever it is"}) == {name: "***"}


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_traceback_carries_neither_secrets_nor_local_variables(
    style: Format, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(style=style, level="INFO")
    local_variable = "only a local variable of the failing frame"

    try:
        int(f"{len(local_variable)} {TOKEN} at {URL}")
    except ValueError as error:
        structlog.get_logger().error("request.crashed", exc_info=error)
        logging.getLogger("library").exception("it failed with %s", TOKEN)
    printed = capsys.readouterr().err

    assert printed.count("ValueError") >= 2
    assert "request.crashed" in printed
    assert TOKEN not in printed
    assert "verysecret" not in printed
    assert local_variable not in printed


def test_every_line_is_json_with_level_time_and_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(style="json", level="INFO")

    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger().info("file.stored", size_bytes=7, name='odd "name"\n\u2028')
        logging.getLogger("library").warning("%s of %d", "part", 2, extra={"detail": 1})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    assert [line["event"] for line in lines] == ["file.stored", "part of 2"]
    assert [line["level"] for line in lines] == ["info", "warning"]
    assert {line["request_id"] for line in lines} == {"r-1"}
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert lines[0]["name"] == 'odd "name"\n\u2028'


FORGED = "a\r\n2026-01-01 [info] forged\x1b[2J\x9b2J\u2028\u202eb\x7f"


def test_what_clients_say_forges_no_line_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(style="console", level="INFO")

    structlog.get_logger().info("request.ended", path=FORGED, bare="/\x1b[2J", about={"names": [FORGED]})
    logging.getLogger("library").warning("cannot read %s", FORGED)
    structlog.get_logger().error("request.crashed", exc_info=ValueError(FORGED))
    lines = capsys.readouterr().err.split("\n")

    assert [line for line in lines if line.startswith("2026-01-01")] == []
    assert {character for line in lines for character in line if not character.isprintable()} == set()
    assert lines[0].count(r"forged\x1b[2J\x9b2J\u2028\u202eb\x7f") == 2
    assert r"bare='/\x1b[2J'" in lines[0]
    assert r"a\u000d\u000a2026-01-01 [info] forged\u001b" in lines[1]
    assert sum("forged" in line for line in lines) == 3


def test_less_severe_events_than_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(style="json", level="WARNING")

    structlog.get_logger().info("too.quiet")
    structlog.get_logger().warning("loud.enough")
    logging.getLogger("library").info("too quiet")

    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud.enough"]


def test_configuring_twice_prints_every_event_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(style="json", level="INFO")
    configure_logging(style="json", level="INFO")

    structlog.get_logger().info("said.once")

    assert len(capsys.readouterr().err.splitlines()) == 1


def events_in(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_text().splitlines()]


def test_a_file_gets_the_same_lines_and_is_found_again_after_either_rotation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "service.log"
    configure_logging(style="console", level="INFO", file=file)
    log = structlog.get_logger()

    log.info("before.rotation", token=TOKEN)
    moved = file.rename(tmp_path / "service.log.1")
    log.info("after.move")
    copied = shutil.copy(file, tmp_path / "service.log.2")
    os.truncate(file, 0)
    log.info("after.truncation")

    assert [events_in(path) for path in (moved, Path(copied), file)] == [
        ["before.rotation"],
        ["after.move"],
        ["after.truncation"],
    ]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert TOKEN not in moved.read_text()
    assert capsys.readouterr().err.count(" after.") == 2


def test_a_file_that_vanishes_with_its_folder_stops_nothing_and_is_complained_about_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    configure_logging(style="json", level="INFO", file=folder / "service.log")
    log = structlog.get_logger()

    log.info("first.line")
    shutil.rmtree(folder)
    log.info("second.line")
    log.info("third.line")
    said = capsys.readouterr().err
    folder.mkdir()
    log.info("fourth.line")

    assert said.count("LOG_FILE cannot be written") == 1
    assert "third.line" in said
    assert events_in(folder / "service.log") == ["fourth.line"]


class Unprintable:
    """Has nothing to say for itself."""

    def __repr__(self) -> str:
        raise ValueError("no words")


def test_a_line_that_cannot_be_written_as_it_is_is_no_failure_of_whoever_logs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "service.log"
    configure_logging(style="json", level="INFO", file=file, file_style="console")
    to_file = next(handler for handler in logging.getLogger().handlers if isinstance(handler, LogFile))
    record = logging.LogRecord("test", logging.INFO, __file__, 1, "%s", (Unprintable(),), None)

    structlog.get_logger().info("upload.stored", filename="\udcff.jpg")
    to_file.setFormatter(logging.Formatter())
    to_file.handle(record)

    assert "\\udcff.jpg" in file.read_text()
    assert "no words" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["missing/service.log", "."])
def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misconfigured, match=r"LOG_FILE cannot be written: .*; allowed: a file in a folder"):
        configure_logging(style="json", level="INFO", file=tmp_path / name)


async def test_the_address_of_a_webhook_reaches_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Its path or its query is often all there is of a password."""
    configure_logging(style="json", level="DEBUG")

    async with receiving() as receiver:
        webhook = AlertWebhook(receiver.url.replace("/hook", "/services/T0/SECRET?key=SECRET"))
        await webhook.deliver([ClaimedNotice(id=UUID(int=1), topic="t", payload={}, attempts=1)])

    assert [call.path for call in receiver.calls] == ["/services/T0/SECRET?key=SECRET"]
    assert "SECRET" not in capsys.readouterr().err
