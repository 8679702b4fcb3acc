"""The reference of settings is that of the settings there are."""

from media_analysis.settings import Settings, leaves
from scripts.pages.settings import page


def test_every_setting_is_on_the_page_and_says_what_it_does() -> None:
    text = page()

    assert [leaf.path for leaf in leaves().values() if f"`{leaf.env}`<br>`{leaf.path}`" not in text] == []
    assert [leaf.path for leaf in leaves().values() if not leaf.description.endswith(".")] == []
    assert [leaf.path for leaf in leaves().values() if leaf.description == Settings.__doc__] == []
