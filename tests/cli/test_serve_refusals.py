"""`serve` refuses what it cannot serve safely: one sentence, exit code 1, nothing started."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import run
from tests.cli.conftest import postgres_runs


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def test_a_port_in_use_is_refused_before_anything_is_set_up(taken_port: int, tmp_path: Path) -> None:
    refused = run("serve", "--port", str(taken_port), "--data-dir", tmp_path / "var")

    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1:{taken_port}" in refused.stderr
    assert "--port" in refused.stderr
    assert not (tmp_path / "var").exists()


def test_a_schema_that_is_behind_is_refused_with_what_to_run(environment: dict[str, str], empty_database: str) -> None:
    refused = run("serve", "--port", "0", **environment | {"DATABASE_URL": empty_database})

    assert refused.returncode == 1
    assert "run: media-analysis migrate" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_token_file_that_others_can_read_is_refused(environment: dict[str, str], tmp_path: Path, mode: int) -> None:
    token_file = tmp_path / "var" / "admin-token"
    token_file.parent.mkdir()
    token_file.write_text("mas_known_to_everybody")
    token_file.chmod(mode)

    refused = run("serve", "--port", "0", **environment)

    assert refused.returncode == 1
    assert f"{token_file} can be read by others" in refused.stderr
    assert "mas_known" not in refused.stderr


def test_a_symlink_in_place_of_the_token_file_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "elsewhere").write_text("mas_of_somebody_else")
    (tmp_path / "var" / "admin-token").symlink_to(tmp_path / "elsewhere")

    refused = run("serve", "--port", "0", **environment)

    assert refused.returncode == 1
    assert "admin-token" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_embedded_database_made_unsafe_is_refused_and_stopped(data_dir: Path) -> None:
    with (data_dir / "postgres/data/postgresql.conf").open("a") as settings:
        settings.write("fsync = off\n")

    refused = run("serve", "--port", "0", "--data-dir", data_dir)

    assert refused.returncode == 1
    assert "fsync=off" in refused.stderr
    assert not postgres_runs(data_dir)


def test_a_store_of_another_database_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "var/store").mkdir(parents=True)
    (tmp_path / "var/store/.media-analysis").write_text('{"instance_id": "00000000-0000-7000-8000-000000000000"}')

    refused = run("serve", "--port", "0", **environment)

    assert refused.returncode == 1
    assert "marker names another database" in refused.stderr


def test_a_log_file_that_cannot_be_written_is_refused_before_anything_is_set_up(tmp_path: Path) -> None:
    refused = run("serve", "--port", "0", "--data-dir", tmp_path / "var", LOG_FILE=str(tmp_path / "missing" / "log"))

    assert refused.returncode == 1
    assert "LOG_FILE cannot be written" in refused.stderr
    assert list(tmp_path.iterdir()) == []
