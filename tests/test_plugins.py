"""What plugins may import."""

import ast
import subprocess
import sys
from pathlib import Path

from media_analysis import plugins

ROOT = Path(__file__).parents[1]


def test_every_name_that_is_promised_is_there_and_documented() -> None:
    page = (ROOT / "docs/how-to/own-kind.md").read_text()

    assert {
        "Category",
        "CorruptMedia",
        "Emitter",
        "Kind",
        "Limits",
        "MediaLimitPassed",
        "NoPictures",
        "NoSuchPage",
        "Options",
        "Product",
        "Source",
        "UnsupportedMedia",
        "open_media",
        "reference",
    } == set(plugins.__all__), "plugins elsewhere import these"
    for name in plugins.__all__:
        assert getattr(plugins, name).__doc__, name
        assert f"`{name}`" in page or f"`{name}(" in page, name


def test_the_example_imports_nothing_else_of_the_package() -> None:
    tree = ast.parse((ROOT / "examples/brightness/media_analysis_brightness.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}

    assert {name for name in modules if name.split(".")[0] == "media_analysis"} == {"media_analysis.plugins"}


def test_what_a_plugin_imports_loads_no_codecs() -> None:
    script = "import sys, media_analysis.plugins; print('av' in sys.modules)"

    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert ended.stdout == "False\n"
