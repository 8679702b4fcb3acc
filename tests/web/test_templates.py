"""All templates, scripts and styles of the page."""

import re
from importlib.resources import files

import pytest
from jinja2 import nodes

from media_analysis.web.assets import assets
from media_analysis.web.pages import templates

TEMPLATES = templates().list_templates(extensions=["html"])
WEB = files("media_analysis.web")
WRITES = r"\b(innerHTML\s*=[^=]|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\()"


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_is_one_and_runs_and_styles_nothing_within(name: str) -> None:
    templates().get_template(name)
    text = WEB.joinpath(name).read_text()

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|\|\s*safe\b|Markup", text)
    assert not re.search(r'<script(?! type="module" nonce="{{ nonce }}" src=)', text)


@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_within_a_call_asks_who_looks_for_the_name_means_something_else_there(name: str) -> None:
    template = templates().parse(WEB.joinpath(name).read_text())

    asked = [
        found.lineno
        for call in template.find_all(nodes.CallBlock)
        for part in call.body
        for found in part.find_all(nodes.Getattr)
        if isinstance(found.node, nodes.Name) and found.node.name == "caller"
    ]
    assert asked == []


def test_scripts_write_no_markup_and_ask_nobody_else() -> None:
    for name, asset in assets().items():
        text = asset.content.decode()
        assert not re.search(WRITES, text), name
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), name
