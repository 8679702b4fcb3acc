"""Bugs in what is known of labels."""

from tests.mutants.mutant import Mutant

_FILTERS = "tests/api/test_label_filters.py"

MUTANTS = (
    Mutant(
        "the same key with other labels is the same request",
        16,
        "files/upload/service.py",
        'if not facts["labels"]:',
        "if True:",
        ("tests/api/test_labels.py::test_the_same_key_with_other_labels_is_another_request",),
    ),
    Mutant(
        "a restored file has lost its labels",
        20,
        "files/transitions.py",
        "labels = timed.labels,",
        "",
        ("tests/archive/test_archiving.py::test_a_run_is_archived_read_inside_and_restored_as_it_was",),
    ),
    Mutant(
        "statistics count what others have by a label",
        22,
        "api/routes/storage.py",
        "status.labelled(labels, owner=caller.scope)",
        "status.labelled(labels, owner=None)",
        (f"{_FILTERS}::test_statistics_count_what_has_labels",),
    ),
    Mutant(
        "a product has not the labels of its job",
        21,
        "jobs/attempts/publishing.py",
        "coalesce(job.labels, '{{}}') || ",
        "",
        ("tests/api/test_job_labels.py::test_products_are_deleted_by_what_their_job_is_called",),
    ),
    Mutant(
        "a filter deletes what has another label",
        35,
        "retention/matches/queries.py",
        'conditions.append(label.condition(_naming(place), f"{file}.labels"))',
        "pass",
        ("tests/api/test_matches_bounded.py::test_what_is_labelled_otherwise_meanwhile_stays",),
    ),
    Mutant(
        "a list takes a hash for the label",
        35,
        "files/reading.py",
        'conditions = [label.condition(number, "file.labels") for label in wanted.labels]',
        "conditions: list[str] = []",
        (f"{_FILTERS}::test_a_list_has_what_meets_all_filters_and_belongs_to_the_caller",),
    ),
)
