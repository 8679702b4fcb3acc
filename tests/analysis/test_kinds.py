"""Which kinds there are, with plugins installed as users install them."""

import asyncio
import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.analysis.child.confinement import Confinement
from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.analysis.child.protocol import Assignment, Message, ProductMade, ResultMade
from media_analysis.analysis.child.running import run_task
from media_analysis.analysis.kinds import BUILT_IN, Kind, find_kind, load_kinds
from media_analysis.analysis.task import Source
from media_analysis.errors.analysis import KindUnknown, TaskFailed
from media_analysis.media.options import ProbeOptions
from tests.media import clips

EXAMPLE = Path(__file__).parents[2] / "examples" / "brightness"
Plug = Callable[..., None]


def nothing(*_: object) -> None:
    """Do what a task of these tests does."""


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plug:
    """Install a distribution with one module and one entry point."""

    def plugging(distribution: str, name: str, source: str, *, attribute: str = "KIND") -> None:
        folder = tmp_path / distribution
        metadata = folder / f"{distribution}-1.dist-info"
        metadata.mkdir(parents=True)
        (folder / f"{distribution}.py").write_text(f"from media_analysis.analysis.kinds import Kind\n{source}")
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n")
        (metadata / "entry_points.txt").write_text(f"[media_analysis.kinds]\n{name} = {distribution}:{attribute}\n")
        monkeypatch.syspath_prepend(folder)

    return plugging


def declared(name: str, summary: str = "") -> str:
    return (
        "from media_analysis.media.options import ProbeOptions\n"
        f"KIND = Kind(name={name!r}, parameters=ProbeOptions, task=print, summary={summary!r})\n"
    )


def test_five_kinds_are_built_in() -> None:
    assert list(BUILT_IN) == ["probe", "frames", "contact_sheet", "analyze", "preview"]
    assert all(kind.summary for kind in BUILT_IN.values())


def test_every_built_in_task_can_be_imported() -> None:
    for name in BUILT_IN:
        assert callable(importlib.import_module(f"media_analysis.analysis.tasks.{name}").run)


def test_a_list_of_kinds_loads_no_codecs() -> None:
    script = (
        "import sys; from media_analysis.analysis.kinds import load_kinds; load_kinds(); print('av' in sys.modules)"
    )

    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert ended.stdout == "False\n"


@pytest.mark.parametrize("name", ["", "Probe", "1st", "a-b", "a" * 41, "external", "_x", "probe\n"])
def test_a_name_no_url_or_column_takes_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a kind"):
        Kind(name=name, parameters=ProbeOptions, task=nothing)


def test_a_kind_without_sources_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one source"):
        Kind(name="k", parameters=ProbeOptions, task=nothing, min_sources=0)


def test_parameters_are_a_bounded_document() -> None:
    with pytest.raises(TypeError, match="subclass of Options"):
        Kind(name="k", parameters=dict, task=nothing)  # type: ignore[arg-type]


def test_a_plugin_is_found_by_its_entry_point(plug: Plug) -> None:
    plug("fine", "loudness", declared("loudness"))

    assert load_kinds()["loudness"] is find_kind("loudness")


@pytest.mark.parametrize(
    ("name", "source", "reason"),
    [
        ("broken", "import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("broken", "raise SystemExit(3)", "SystemExit: 3"),
        ("broken", "", "AttributeError: module 'plugin' has no attribute 'KIND'"),
        ("broken", "KIND = 3", "TypeError: plugin:KIND is no Kind"),
        ("broken", declared("Broken"), "ValueError: 'Broken' cannot be the name of a kind"),
        ("broken", declared("other"), "ValueError: the entry point is called broken, its kind other"),
        ("probe", declared("probe"), "ValueError: there is a kind probe already"),
    ],
)
def test_a_broken_plugin_is_left_out_and_named(
    plug: Plug, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, name: str, source: str, reason: str
) -> None:
    monkeypatch.delitem(sys.modules, "plugin", raising=False)
    plug("plugin", name, source)
    plug("fine", "loudness", declared("loudness"))

    with caplog.at_level(logging.ERROR):
        kinds = load_kinds()

    assert sorted(kinds) == ["analyze", "contact_sheet", "frames", "loudness", "preview", "probe"]
    assert kinds["probe"] is BUILT_IN["probe"]
    (record,) = [record for record in caplog.records if record.message == "kind.left_out"]
    told = vars(record)
    assert (told["kind"], told["distribution"], told["reason"]) == (name, "plugin", reason)


def test_of_two_plugins_of_one_name_every_process_takes_the_same(plug: Plug, caplog: pytest.LogCaptureFixture) -> None:
    plug("antelope", "stripes", declared("stripes", "of an antelope"))
    plug("zebra", "stripes", declared("stripes", "of a zebra"))

    assert load_kinds()["stripes"].summary == find_kind("stripes").summary == "of an antelope"
    assert "there is a kind stripes already" in caplog.text


def test_an_unknown_kind_is_a_domain_error() -> None:
    with pytest.raises(KindUnknown, match="no analysis of kind palmistry is installed here"):
        find_kind("palmistry")


@pytest.fixture(scope="module")
def installed_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example package with pip, into a folder of its own and without a network."""
    target = tmp_path_factory.mktemp("example")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--no-compile", "--target", str(target)]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, str(EXAMPLE)],
        check=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    return target


async def run_example(path: Path, **parameters: object) -> list[Message]:
    source = Source(
        position=0,
        file_id=uuid4(),
        path=path,
        filename=path.name,
        media_type="video/mp4",
        size_bytes=1,
    )
    assignment = Assignment(kind="brightness", sources=[source], parameters=parameters)
    async with (
        aclosing(ForkServer()) as fork_server,
        run_task(assignment, confinement=Confinement(seconds=60), fork_server=fork_server) as messages,
    ):
        return [message async for message in messages]


def test_the_example_package_measures_a_real_video(installed_example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed_example)

    messages = asyncio.run(run_example(clips.h264(), every_seconds=0.5))

    assert load_kinds()["brightness"].max_sources == 1
    (result,) = [message for message in messages if isinstance(message, ResultMade)]
    (product,) = [message for message in messages if isinstance(message, ProductMade)]
    assert result.document["samples"] == 4
    assert 0 < result.document["mean"] < 255
    assert product.product.filename == "brightness.csv"
    assert [line.split(b",")[0] for line in product.content.splitlines()] == [
        b"seconds",
        b"0.000",
        b"0.520",
        b"1.040",
        b"1.560",
    ]


def test_the_parameters_of_the_example_are_bounded(installed_example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed_example)

    with pytest.raises(TaskFailed, match="every_seconds"):
        asyncio.run(run_example(clips.h264(), every_seconds=0))
