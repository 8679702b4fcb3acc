"""No link of the README or the manual leads nowhere."""

from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors_of, links_of

ELSEWHERE = ("http://", "https://", "mailto:")
SHORT = 200


def _dead(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    place = page if not path else (page.parent / path).resolve()
    if not place.exists():
        return True
    return bool(anchor) and (place.suffix != ".md" or anchor not in anchors_of(place))


def test_links_lead_to_files_and_headings_that_exist() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in links_of(page)
        if not target.startswith(ELSEWHERE) and _dead(page, target)
    ]

    assert dead == []


def test_links_stay_within_the_repository() -> None:
    outside = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in links_of(page)
        if not target.startswith((*ELSEWHERE, "#"))
        and not (page.parent / target.partition("#")[0]).resolve().is_relative_to(ROOT)
    ]

    assert outside == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            targets = [(page.parent / target.partition("#")[0]).resolve() for target in links_of(page)]
            waiting += [target for target in targets if target.suffix == ".md" and target.is_file()]

    assert sorted(str(page.relative_to(ROOT)) for page in set(PAGES) - reached) == []


def test_the_readme_is_a_front_page_and_no_wall() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= SHORT


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "images").iterdir()), ids=lambda path: path.name)
def test_pictures_are_small_and_shown(picture: Path) -> None:
    shown = {(page.parent / target).resolve() for page in PAGES for target in links_of(page)}

    assert picture.stat().st_size < 200_000
    assert picture in shown
