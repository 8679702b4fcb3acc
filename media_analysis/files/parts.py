"""The parts that a list of files is merged from: each a range of one index, in the order of the list."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from media_analysis.db.ids import AGE, OWN_AGE
from media_analysis.files.filters import FileFilter
from media_analysis.files.indexes import (
    DUE_AT_END,
    OWN_END,
    OWN_TEMP_AGE,
    OWN_TEMP_END,
    RENDERED_INTO,
    TEMP_AGE,
    TEMP_END,
)
from media_analysis.files.labelled import Number, leading, list_of, lists_of_files
from media_analysis.labels import LabelFilter
from media_analysis.states import FileState
from media_analysis.storage.category import Category

_LABELLED: Final = (None, FileState.STORED, FileState.TRASHED)
"""The states of what has its labels in an index, and of all."""
_BY_LABEL: Final = """
    file_labels AS label, LATERAL (SELECT * FROM media_files WHERE id = label.file_id OFFSET 0) AS file
"""
"""One file for each label: a plan that may begin with the files goes through those that have none."""
_NOT_OVER: Final = "coalesce(file.expires_at, 'infinity') > now()"
"""As the indexes have it: within them, what is over and not yet swept is passed by without reading its row."""

_ENDING: Final = ("file.expires_at IS NOT NULL", "{place} > now()")


class ListPart(NamedTuple):
    """A range of an index in the order of a list, of those that a list is merged from."""

    conditions: Sequence[str]
    place: str
    """What decides a file's place in a list, as the index has it that is to be read."""
    source: str = "media_files AS file"
    file_id: str = "file.id"


def list_parts(wanted: FileFilter, number: Number) -> Iterator[ListPart]:
    """Yield the parts of a list; what they ask for is told to `number`."""
    label = leading(wanted.labels)
    if label is not None and wanted.job_id is None and wanted.state in _LABELLED:
        yield from _labelled_parts(wanted, label, number)
        if wanted.state is not None or wanted.expires_before is not None:
            return  # what is pending has no end yet
        wanted = replace(wanted, state=FileState.PENDING)
    yield from (ListPart(conditions, place) for place, conditions in _plain_parts(wanted))


def _labelled_parts(wanted: FileFilter, label: LabelFilter, number: Number) -> Iterator[ListPart]:
    """Yield the ranges of what has a label; whatever a hash says, the file has the last word."""
    state = wanted.state or FileState.STORED
    column = lists_of_files(wanted.owner, wanted.categories, state).column
    by_end = wanted.expires_before is not None
    place, bounds = "label.file_id", [f"file.state = '{state}'"]
    if by_end:
        place, bounds = "label.ends_at", [*bounds, "label.ends_at < 'infinity'"]
    if state is FileState.STORED:
        bounds.append("label.ends_at > now()")
    for category in wanted.categories:
        of = list_of(wanted.owner, category.value, state.value, label, number)
        conditions = [f"label.{column} = {of}", f"file.category = '{category}'", *bounds]
        yield ListPart(conditions, place, _BY_LABEL, "file_id")


def _plain_parts(wanted: FileFilter) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the ranges of indexes that a list is merged from: what decides a place in it, and what is in it."""
    state = [] if wanted.state is None else [f"file.state = '{wanted.state}'"]
    own = wanted.of_categories()
    categories = [f"file.category = '{category}'" for category in wanted.categories]
    living = [*state, "file.state <> 'trashed'"]
    place = _place_of(wanted)
    if wanted.state is FileState.TRASHED:
        ends = ["file.expires_at IS NOT NULL"] if wanted.expires_before else []
        for kind in [own] if wanted.job_id else [[each] for each in categories]:
            yield place, [*kind, *ends, *state]
    elif wanted.state is FileState.ARCHIVED:
        yield place, ["false"]  # what is archived is no file of its own
    elif wanted.state is FileState.PENDING:
        yield place, [*own, *state, _NOT_OVER]
    elif wanted.job_id is not None:
        yield place, [*own, *living, *(_ENDING if wanted.expires_before else [_NOT_OVER])]
    elif wanted.expires_before is not None:
        for category in wanted.categories:
            yield from _parts_by_end(_place_within(wanted, category), [f"file.category = '{category}'", *living])
    else:
        for category in wanted.categories:
            yield from _parts_by_age(_place_within(wanted, category), f"file.category = '{category}'")
        if wanted.state is None:
            yield place, [*own, "file.state = 'pending'", _NOT_OVER]


def _place_of(wanted: FileFilter) -> str:
    """Return what decides a file's place in a list, as most indexes have it that are to be read."""
    is_owners = wanted.owner is not None and wanted.job_id is None
    if wanted.expires_before is not None:
        return OWN_END if is_owners else "expires_at"
    return OWN_AGE if is_owners else AGE


def _place_within(wanted: FileFilter, category: Category) -> str:
    """Return the same of one category: where renditions are, which may be very many, indexes leave them out."""
    if wanted.renditions or category is not RENDERED_INTO:
        return _place_of(wanted)
    if wanted.expires_before is not None:
        return TEMP_END if wanted.owner is None else OWN_TEMP_END
    return TEMP_AGE if wanted.owner is None else OWN_TEMP_AGE


def _parts_by_age(place: str, category: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the parts of what is stored of a category by age."""
    listed = [category, "file.state = 'stored'", _NOT_OVER]
    if place in {TEMP_AGE, OWN_TEMP_AGE}:
        yield place, listed
    else:
        for dated in ("NOT file.expiry_explicit", "file.expiry_explicit"):
            yield place, [dated, *listed]


def _parts_by_end(place: str, living: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the parts of living files of a category by their ends; of all, most are found by when they fall due."""
    if place in {OWN_END, TEMP_END, OWN_TEMP_END}:
        yield place, [*living, *_ENDING]
    else:
        yield "due_at", [*living, DUE_AT_END, "{place} > now()"]
        yield place, [*living, *_ENDING, "file.due_at IS DISTINCT FROM file.expires_at"]
