"""Bugs in the deletion of all files that a filter names."""

from tests.mutants.mutant import Mutant

TESTS = "tests/api/test_matches.py::"
BOUNDED = "tests/api/test_matches_bounded.py::"
MUTANTS = (
    Mutant(
        "more goes by a filter than was counted",
        13,
        "retention/matches/taking.py",
        "if len(chosen) + len(more.keys() - chosen) > most:",
        "if most == 0:",
        (f"{BOUNDED}test_what_comes_after_the_count_takes_no_more_than_the_count",),
    ),
    Mutant(
        "a filter deletes what is somebody else's",
        22,
        "api/schemas/matches.py",
        "owner=caller.scope or self.owner",
        "owner=self.owner",
        (f"{TESTS}test_what_goes_is_counted_before_anything_does",),
    ),
    Mutant(
        "what does not match any more goes by a filter all the same",
        35,
        "retention/matches/queries.py",
        'conditions.append(f"{file}.expires_at < :expires_before")',
        "pass",
        (f"{BOUNDED}test_what_does_not_match_any_more_stays",),
    ),
    Mutant(
        "a derivative's hold does not keep what matches",
        5,
        "retention/matches/queries.py",
        "FROM judged WHERE rule IS NOT NULL GROUP BY",
        "FROM judged WHERE rule IS NOT NULL AND id = head GROUP BY",
        (f"{TESTS}test_each_goes_with_what_was_derived_from_it_or_stays_with_it",),
    ),
    Mutant(
        "any number confirms a deletion by a filter",
        13,
        "retention/matches/service.py",
        "if confirm is None or confirm < files:",
        "if confirm is None:",
        (f"{BOUNDED}test_more_than_a_share_goes_only_by_its_number",),
    ),
    Mutant(
        "a deletion by a filter trusts any clock",
        14,
        "retention/matches/service.py",
        "        await self.breaker.clock.check()\n",
        "",
        (f"{BOUNDED}test_a_pause_keeps_the_bytes_and_a_doubted_clock_keeps_the_files",),
    ),
    Mutant(
        "a refusal tells how much others have",
        22,
        "retention/matches/service.py",
        "more than {excess.percent} % of all there are",
        "more than {excess.percent} % of {excess.whole.files}",
        (f"{BOUNDED}test_more_than_a_share_goes_only_by_its_number",),
    ),
)
