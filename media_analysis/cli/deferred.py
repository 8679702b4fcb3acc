"""Commands that are known by name and a line of help, and loaded when they are called."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

EXIT_CODES: Final = (
    "Exit codes: 0 when it was done; 1 when it was refused or failed; 2 for an unknown option, or as said above; "
    "of a server 3 when it does not take the token, 4 when what was named is not there, 5 when there is no room, "
    "6 when it does not answer; 130 when ^C ended it, 143 when SIGTERM did."
)


class Deferred(TyperCommand):
    """Stands in lists for a command of a module, or for its group of commands (`module:app`)."""

    def __init__(self, name: str, target: str, short_help: str) -> None:
        super().__init__(name=name, short_help=short_help, help=short_help)
        self.target = target

    def load(self) -> TyperCommand | TyperGroup:
        """Return the command itself."""
        module, _, attribute = self.target.partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            group = found
        else:
            group = typer.Typer(add_completion=False)
            group.command(self.name)(found)
        command: TyperCommand | TyperGroup = typer.main.get_command(group)  # type: ignore[assignment]
        command.name = self.name
        for each in command.commands.values() if isinstance(command, TyperGroup) else (command,):
            each.epilog = EXIT_CODES
        return command

    def make_context(self, *args: Any, **about: Any) -> Any:
        """Hand over to the command itself, whose context it is from here on."""
        return self.load().make_context(*args, **about)


def group_of(commands: Iterable[Deferred]) -> type[TyperGroup]:
    """Return the class of a group of these commands, in their order."""
    known = {command.name: command for command in commands}

    class Group(TyperGroup):
        def __init__(self, **about: Any) -> None:
            super().__init__(**{**about, "commands": dict(known)})

    return Group
