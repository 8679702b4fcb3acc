"""Bugs in how jobs are queued, claimed, run, called off and given up."""

from tests.mutants.mutant import Mutant

_WORKER = "tests/worker/test_worker.py::test_"
_WORKERS = "tests/worker/test_workers.py::test_"
_FAILURES = "tests/worker/test_failures.py::test_"

MUTANTS = (
    Mutant(
        "a run that is over may still write",
        21,
        "analysis/runs.py",
        "or found[0].fence != fence or",
        "or",
        ("tests/analysis/test_runs.py::test_a_run_that_was_taken_over_can_write_nothing",),
    ),
    Mutant(
        "what a dead run staged is stored with its successor's",
        21,
        "analysis/settling.py",
        "WHERE job_id = :job_id AND job_fence = :fence AND role IS NOT NULL",
        "WHERE job_id = :job_id AND :fence > 0 AND role IS NOT NULL",
        ("tests/analysis/test_runs.py::test_a_run_stores_what_it_staged_itself_and_nothing_of_the_run_before",),
    ),
    Mutant(
        "claims are not counted",
        21,
        "analysis/runs.py",
        "        job.attempts += 1\n",
        "",
        (f"{_FAILURES}what_may_pass_is_tried_again_with_growing_pauses_and_given_up_in_the_end",),
    ),
    Mutant(
        "a job that was handed back lost an attempt",
        21,
        "analysis/ending.py",
        "        job.attempts -= 1\n",
        "        pass\n",
        (f"{_WORKER}an_interrupted_worker_hands_its_job_back_as_if_it_had_not_begun",),
    ),
    Mutant(
        "broken media are tried again",
        21,
        "analysis/execution.py",
        "contended or (isinstance(error, Unavailable | QuotaExceeded) and run.attempt",
        "contended or (run.attempt",
        (f"{_WORKER}what_will_not_pass_fails_at_once",),
    ),
    Mutant(
        "the next attempt follows at once",
        21,
        "worker/runner.py",
        "                raise RetryRequested(delay)\n",
        "                raise RetryRequested\n",
        (f"{_FAILURES}what_may_pass_is_tried_again_with_growing_pauses_and_given_up_in_the_end",),
    ),
    Mutant(
        "an entry is enqueued before the transaction began",
        17,
        "db/queue.py",
        "if not isinstance(raw, Connection) or not raw.is_in_transaction():",
        "if not isinstance(raw, Connection):",
        ("tests/db/test_queue.py::test_an_entry_before_the_first_statement_is_refused",),
    ),
    Mutant(
        "a pin does not keep an expired source",
        21,
        "analysis/run.py",
        "(job.pinned_until is not None and job.pinned_until > now)",
        "False",
        (f"{_FAILURES}a_queued_job_whose_source_expired_fails_for_that_reason_unless_it_pinned_it",),
    ),
    Mutant(
        "entries are picked beyond what runs",
        21,
        "worker/slots.py",
        "free, running = self._total - len(self._taken),",
        "free, running = self._total,",
        ("tests/worker/test_slots.py::test_what_runs_of_one_kind_leaves_less_room_for_every_kind",),
    ),
    Mutant(
        "what was picked takes no slot",
        21,
        "worker/dispatch.py",
        "                self.slots.take(job.id, job.entrypoint)\n",
        "",
        (f"{_WORKER}no_more_entries_are_picked_than_jobs_run",),
    ),
    Mutant(
        "a kind may take every slot",
        21,
        "worker/slots.py",
        "self._per_kind.get(kind, self._total)",
        "self._total",
        (f"{_WORKER}a_kind_that_may_run_once_leaves_room_for_others",),
    ),
    Mutant(
        "who runs a cancelled job is not told",
        21,
        "analysis/control.py",
        "    if job.queue_id is not None:\n        await withdraw(session, job.queue_id)\n",
        "",
        (f"{_WORKER}cancelling_stops_the_decoding_within_a_second",),
    ),
    Mutant(
        "a lost connection is not opened again",
        25,
        "worker/connection.py",
        "                    self._drop(error)\n",
        "                    raise\n",
        ("tests/worker/test_restart.py::test_a_worker_outlives_a_restart_of_the_database",),
    ),
    Mutant(
        "an entry is ended by whoever once held it",
        21,
        "worker/entries.py",
        'WHERE id = ANY($1::bigint[]) AND queue_manager_id = $2"  # noqa: S608 - constants\n_KEEP',
        'WHERE id = ANY($1::bigint[]) AND $2::uuid IS NOT NULL"  # noqa: S608 - constants\n_KEEP',
        ("tests/worker/test_entries.py::test_an_entry_is_ended_kept_and_put_back_only_by_its_holder",),
    ),
)
