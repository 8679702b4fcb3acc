"""What modules import of each other, and names that several classes have, are found."""

from scripts.survey.classes import find_twice
from scripts.survey.modules import find_imports, read_module


def test_a_module_imports_those_it_names_once_each() -> None:
    modules = [
        read_module("from kitchen import sink\nfrom kitchen.sink import wash\nimport json\n", "kitchen.cook"),
        read_module("def wash():\n    import kitchen.cook\n", "kitchen.sink"),
        read_module("", "kitchen"),
    ]

    assert find_imports(modules) == {
        "kitchen.cook": {"kitchen.sink"},
        "kitchen.sink": {"kitchen.cook"},
        "kitchen": set(),
    }


def test_a_public_class_name_of_two_modules_is_told_with_both() -> None:
    modules = [
        read_module("class Cup: ...\nclass _Own: ...\n", "kitchen.shelf"),
        read_module("class Rack:\n    class Cup: ...\nclass _Own: ...\n", "kitchen.sink"),
        read_module("def make():\n    class Rack: ...\n", "kitchen.cook"),
    ]

    assert find_twice(modules) == {"Cup": ["kitchen.shelf", "kitchen.sink"]}
