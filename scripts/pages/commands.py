"""The reference of the command line, from the commands themselves."""

from collections.abc import Iterator
from typing import Any

from typer.core import TyperArgument, TyperGroup

from media_analysis.cli import COMMANDS, grammar

INTRODUCTION = """\
# The command line

Made from the commands by `scripts/manual`. `media-analysis COMMAND --help` says the same in a terminal, and
`media-analysis --install-completion` lets the shell complete commands, options and their values.

**Exit codes**: 0 when it was done; 1 when it was refused or failed, with one sentence on standard error; 2 for a
command or an option that does not exist, and where a command says so: when some of what it should do was left undone;
130 when it was ended by ^C, and 143 by SIGTERM. Commands that ask a server say more: 3 when it does not take the token
or nobody is signed in, 4 when what was named is not there or gone, 5 when there is no room, 6 when it does not answer.
Of several things that were named, 1 when some failed.

**Output**: what was asked for on standard output, everything else on standard error. In a terminal, tables show the end
of an id (`…9e8b6775baf4`), and that is taken wherever an id is; to a pipe or a file, ids and values are complete and an
empty cell is `-`. `--json` prints plain numbers and instants for programs.

**Everywhere**: `--data-dir DIR`, where the service keeps what it owns, and `--config FILE`, a YAML file of settings.
`demo` takes neither, for it makes a scratch directory of its own; nor do `login`, `logout`, `upload`, `download`, `ls`,
`rm` and `watch`, which [ask a server](../how-to/command-line.md). `job` does either; `--local` says that this machine
is meant.
"""


_COMMON = {"data_dir", "config", "help", "local"}


def page() -> str:
    """Return the page."""
    parts = [INTRODUCTION, f"**What options take**: {_grammar()}\n"]
    for command in COMMANDS:
        parts += _sections(str(command.name), command.load())
    return "\n".join(parts)


def _grammar() -> str:
    return " ".join((grammar.__doc__ or "").split("\n\n", 1)[1].split())


def _sections(name: str, command: Any) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for member in command.commands.values():
            yield from _sections(f"{name} {member.name}", member)
        return
    arguments = [each for each in command.params if isinstance(each, TyperArgument)]
    usage = " ".join(["media-analysis", name, *(_usage(each) for each in arguments)])
    yield f"## {name}\n\n`{usage}`\n\n{_prose(command.help)}\n"
    rows = [_row(each) for each in command.params if each.name not in _COMMON]
    if rows:
        yield "\n".join(["| | |", "|---|---|", *rows]) + "\n"


def _prose(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _usage(argument: Any) -> str:
    name = argument.metavar or str(argument.name).upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _row(parameter: Any) -> str:
    names = (
        _usage(parameter)
        if isinstance(parameter, TyperArgument)
        else ", ".join([*parameter.opts, *parameter.secondary_opts])
    )
    choices = parameter.type_descriptor.choices
    about = [parameter.help or ""]
    if choices:
        about.append("one of " + ", ".join(f"`{getattr(choice, 'value', choice)}`" for choice in choices))
    if parameter.show_default and parameter.default not in {None, False}:
        about.append(f"default `{getattr(parameter.default, 'value', parameter.default)}`")
    return f"| `{names}` | {'; '.join(filter(None, about)).replace('|', chr(92) + '|')} |"
