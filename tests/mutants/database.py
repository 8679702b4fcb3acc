"""Bugs in the order of locks, in what is run again, and in what is said of a database that is not well."""

from tests.mutants.mutant import Mutant

_CONFLICTS = "tests/db/test_conflicts.py::test_"
_LOST = "tests/db/test_lost_commits.py::test_"
_PROBE = "tests/retention/guard/test_probe.py::test_"
_UNWRITABLE = "tests/api/test_unwritable.py::test_"
_RACES = "tests/jobs/attempts/test_ending_races.py::test_"

MUTANTS = (
    Mutant(
        "a transaction's number is believed after a crash",
        1,
        "db/commits.py",
        "CASE WHEN {_LIFE} = :life THEN",
        "CASE WHEN {_LIFE} = :life OR true THEN",
        ("tests/db/embedded/test_commits.py",),
    ),
    Mutant(
        "a COMMIT that waits for a standby is called off",
        1,
        "db/commits.py",
        "if not self.is_committing:",
        "if True:",
        ("tests/db/embedded/test_commits.py",),
    ),
    Mutant(
        "a server that says nothing is waited for before the next is asked",
        25,
        "db/connecting.py",
        "patience = HEAD_START_SECONDS if waiting else None",
        "patience = None",
        ("tests/db/test_address.py::test_a_host_that_says_nothing_delays_the_next_by_an_instant",),
    ),
    Mutant(
        "a job that ends holds the ledger while it publishes its results",
        32,
        "jobs/attempts/ending.py",
        "    # A job has one owner.\n",
        "    await ledger.move(session, (moved for one in sums.values() for moved in one.items()))\n",
        (f"{_RACES}jobs_end_beside_others_and_postgresql_has_to_break_no_circle[an upload]",),
    ),
    Mutant(
        "what PostgreSQL rolled back for others is not run again",
        32,
        "db/database.py",
        "                if time.monotonic() + pause >= ends_at:\n",
        "                if pause:\n",
        (f"{_CONFLICTS}of_two_that_wait_for_each_other_both_succeed",),
    ),
    Mutant(
        "a deadlock is a bug",
        32,
        "db/faults.py",
        '_CONTENDED_STATES: Final = ("40001", "40P01")',
        '_CONTENDED_STATES: Final = ("40001",)',
        (f"{_CONFLICTS}what_postgresql_rolls_back_for_others_is_run_again[40P01]",),
    ),
    Mutant(
        "a COMMIT without an answer is a rollback",
        17,
        "db/commits.py",
        'return bool(status == "committed")',
        "return False",
        (f"{_LOST}a_transaction_whose_commit_was_not_answered_succeeds_if_it_was_committed[cut-mapper]",),
    ),
    Mutant(
        "a COMMIT of the driver's without an answer is a rollback",
        17,
        "db/driver.py",
        "or not await self.commits.is_committed(ending):",
        "or ending:",
        (f"{_LOST}a_transaction_whose_commit_was_not_answered_succeeds_if_it_was_committed[cut-driver]",),
    ),
    Mutant(
        "a COMMIT may take as long as it likes",
        25,
        "db/commits.py",
        "call_later(self.limit_seconds, raw.terminate)",
        "call_later(3_600, raw.terminate)",
        (f"{_LOST}a_transaction_whose_commit_was_not_answered_succeeds_if_it_was_committed[silent-mapper]",),
    ),
    Mutant(
        "the write probe only reads",
        38,
        "db/instance.py",
        "await session.execute(_TOUCH)",
        'await session.execute(text("SELECT 1"))',
        (
            "tests/retention/guard/test_probe.py::test_many_who_ask_at_once_and_within_five_seconds_cause_one_write",
            "tests/api/test_unwritable.py::test_a_database_that_became_read_only_is_told_as_such_and_needs_no_restart",
        ),
    ),
    Mutant(
        "everybody who asks has a write probe of their own",
        38,
        "retention/guard/probe.py",
        "        if self._looking is None or (self._looking.done() and self._is_old()):\n",
        "        if self._looking is None or self._is_old():\n",
        (f"{_PROBE}a_disk_that_does_not_answer_is_told_within_the_deadline_and_costs_one_thread",),
    ),
    Mutant(
        "the store's probe writes nothing",
        38,
        "storage/probing.py",
        "            _write_to(root)\n",
        "            pass\n",
        ("tests/storage/test_probing.py::test_a_disk_that_cannot_be_written_says_why[fill-No space left on device]",),
    ),
    Mutant(
        "connections to a server that became read-only are kept",
        25,
        "db/database.py",
        "        context.is_disconnect = True\n",
        "        pass\n",
        ("tests/api/test_unwritable.py::test_a_database_that_became_read_only_is_told_as_such_and_needs_no_restart",),
    ),
)
