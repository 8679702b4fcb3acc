"""Bugs in what is told of events."""

from tests.mutants.mutant import Mutant

_FEED = "tests/api/test_events.py"

MUTANTS = (
    Mutant(
        "the log is read where others are still to write",
        41,
        "events/horizon.py",
        "while self._pending and self._pending[0][1] <= oldest:",
        "while self._pending:",
        ("tests/events/test_horizon.py::test_a_transaction_under_way_holds_back_what_others_committed_behind_it",),
    ),
    Mutant(
        "everybody is told of everybody's events",
        22,
        "feed/reading.py",
        'conditions.append("owner = :owner")',
        'conditions.append("CAST(:owner AS text) IS NOT NULL")',
        (f"{_FEED}::test_filters_say_which_events_are_told",),
    ),
    Mutant(
        "a reader who came too late is not told",
        41,
        "feed/service.py",
        "missed = self.after != START and self.after.logged < page.ended",
        "missed = False",
        (f"{_FEED}::test_whoever_comes_back_too_late_is_told_so_and_goes_on_with_what_is_left",),
    ),
    Mutant(
        "a page ends in the middle of what happened at once, and the next begins behind all of it",
        41,
        "feed/reading.py",
        "behind = EventPlace(rows[-1].logged, rows[-1].place)",
        "behind = EventPlace(rows[-1].logged)",
        (f"{_FEED}::test_pages_go_on_where_the_one_before_ended_in_the_middle_of_what_happened_at_once",),
    ),
    Mutant(
        "what a job tells ends with the log",
        41,
        "events/ending.py",
        'text("DELETE FROM events WHERE id > :after AND id <= :through AND number IS NULL")',
        'text("DELETE FROM events WHERE id > :after AND id <= :through")',
        ("tests/events/test_log.py::test_events_end_by_age_and_what_a_job_tells_stays_with_it",),
    ),
)
