"""What of its owner's files a session is limited to, wherever it asks."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from media_analysis.errors import InvalidRequest, SessionLimited
from media_analysis.labels import LabelFilter, Relabel, change_labels, parse_filters
from media_analysis.sessions.roles import Role, Scope
from media_analysis.storage.category import Category

LIMITABLE: Final = frozenset({Scope.FILES_READ, Scope.FILES_WRITE, Scope.FILES_DELETE})
"""What a limited session may be made for: everything else works across files."""


def parse_limit_labels(told: Sequence[str]) -> tuple[LabelFilter, ...]:
    """Return the labels that texts such as `camera:north` and `camera` say, of which a file has to have all.

    Raises:
        ValueError: one is none, asks for what is not there, or has the key of another; or there are too many.

    """
    labels = parse_filters(told)
    if not all(label.wanted for label in labels):
        raise ValueError("a session is limited to labels that are there, such as camera:north")
    if len({label.key for label in labels}) < len(told):
        raise ValueError("a key is given twice")
    return labels


@dataclass(frozen=True, slots=True)
class Limit:
    """The files a session reaches: of some categories, with all of some labels; none of either leaves out nothing."""

    categories: frozenset[Category]
    labels: tuple[LabelFilter, ...]

    @classmethod
    def of(cls, categories: Collection[str] | None, labels: Sequence[str] | None) -> Self | None:
        """Return the limit that is stored or asked for, None where there is none.

        Raises:
            ValueError: there is no such category, or as `parse_limit_labels`.

        """
        if not categories and not labels:
            return None
        return cls(frozenset(map(Category, categories or ())), parse_limit_labels(labels or ()))

    def within(self, categories: Sequence[Category]) -> tuple[Category, ...]:
        """Return those of some categories that it leaves."""
        return tuple(one for one in categories if not self.categories or one in self.categories)

    def admits(self, category: Category, labels: Mapping[str, str] | None) -> bool:
        """Say whether a file of this category that has these labels is reached."""
        return bool(self.within([category])) and self._meets(labels)

    def condition(self, number: Callable[[object], str], file: str) -> str:
        """Return the SQL of the same for a row; `number` returns where a statement has a value."""
        named = ", ".join(f"'{category}'" for category in sorted(self.categories))
        labels = [label.condition(number, f"{file}.labels") for label in self.labels]
        return " AND ".join([f"{file}.category IN ({named})"] * bool(named) + labels)

    def label(self, category: Category, labels: Mapping[str, str] | None) -> dict[str, str]:
        """Return the labels that an upload gets: what it says, and each `key:value` of the limit.

        Raises:
            SessionLimited: it would lie outside.
            InvalidRequest: the value of a key has to be given, or it would have more labels than a file may have.

        """
        missing = {one.key: one.value for one in self.labels if one.key not in (labels or {})}
        for key, value in missing.items():
            if value is None:
                raise InvalidRequest("label", f"the session is limited to files with the label {key}: give its value")
        try:
            labelled = change_labels(labels, missing)
        except ValueError as error:
            raise InvalidRequest("label", str(error)) from error
        if not self.admits(category, labelled):
            raise SessionLimited("the session stores files of other categories or labels")
        return labelled

    def keeping(self, relabel: Relabel) -> Relabel:
        """Return the same change, which raises `SessionLimited` where it takes away what is asked for."""

        def relabelled(labels: Mapping[str, str]) -> Mapping[str, str]:
            changed = relabel(labels)
            if not self._meets(changed):
                raise SessionLimited("the session is limited to files with labels that this would take away")
            return changed

        return relabelled

    def _meets(self, labels: Mapping[str, str] | None) -> bool:
        return all(one.is_met(labels) for one in self.labels)


def require_limitable(role: Role, scopes: Collection[Scope] | None) -> None:
    """Return if a session with these can be limited.

    Raises:
        InvalidRequest: it has no scopes of its own, others than those of files, or reaches everybody's.

    """
    if role is not Role.USER:
        raise InvalidRequest("role", "a limited session reaches files of its owner only")
    if not scopes or not LIMITABLE.issuperset(scopes):
        raise InvalidRequest("scopes", f"a limited session names some of {', '.join(sorted(LIMITABLE))}, and no others")
