"""Bugs in how runs are archived and brought back."""

from tests.mutants.mutant import Mutant

_REFUSALS = "tests/archive/test_refusals.py"
_LIFE = "tests/archive/test_lifecycle.py"

MUTANTS = (
    Mutant(
        "an archive is not compared with its manifest",
        18,
        "archive/format/reading.py",
        "        if self._digest.digest() != self.file.sha256:\n",
        "        if False:\n",
        (f"{_REFUSALS}::test_a_rotten_original_is_never_replaced_by_its_archive",),
    ),
    Mutant(
        "what came while a run was packed is forgotten",
        18,
        "archive/committing.py",
        "if left.scalar_one() or await inventory.is_stale",
        "if left.scalar_one() < 0 or await inventory.is_stale",
        (f"{_REFUSALS}::test_an_upload_that_comes_while_a_run_is_packed_goes_along",),
    ),
    Mutant(
        "files that go sooner are archived, too",
        8,
        "archive/eligibility.py",
        " AND NOT ({file}.expiry_explicit\n",
        " AND NOT (false\n",
        (f"{_LIFE}::test_what_is_to_go_sooner_stays_outside_and_goes_on_its_own_day",),
    ),
    Mutant(
        "a held file does not keep its run out of the archive",
        5,
        "archive/inventory.py",
        "        if obstacle.rule is not RetentionRule.MINIMUM_RETENTION:",
        "        if False:",
        (f"{_LIFE}::test_a_held_file_keeps_its_run_out_of_the_archive",),
    ),
    Mutant(
        "a restore takes whatever the archive holds",
        20,
        "archive/unpacking.py",
        "            if same != (",
        "            if same == () != (",
        ("tests/archive/test_rows.py::test_an_archive_that_is_whole_but_not_ours_is_not_restored",),
    ),
    Mutant(
        "a restore does not look for room",
        20,
        "archive/room.py",
        "everybody = QuotaUse(row.used_bytes, row.quota_bytes)",
        "everybody = QuotaUse(row.used_bytes, None)",
        (f"{_REFUSALS}::test_a_restore_that_passes_a_quota_is_refused_before_its_first_byte",),
    ),
    Mutant(
        "tombstones of restored files stay",
        6,
        "archive/unarchiving.py",
        '    await tombstones.take_back(session, about["ids"], spare_ids=about["staged"])\n',
        "",
        ("tests/archive/test_archiving.py",),
    ),
    Mutant(
        "an archive outlives a file that was deleted after its restore",
        8,
        "retention/file_deletion.py",
        "        if batch.kept_for is None:\n            purges = [*purges, *await delete_copies",
        "        if False:\n            purges = [*purges, *await delete_copies",
        (f"{_LIFE}::test_deleting_a_restored_file_takes_the_archive_that_has_a_copy",),
    ),
    Mutant(
        "a run at its end leaves its archive behind",
        8,
        "archive/expiry.py",
        "            purges = await deletion.take_job(session, job, weighed, batch)\n",
        "            purges = ()\n",
        (f"{_LIFE}::test_an_archived_run_is_deleted_at_its_end_and_its_summary_stays",),
    ),
    Mutant(
        "who was taken over ends the task all the same",
        21,
        "archive/tasks.py",
        "    WHERE id = :id AND attempts = :attempts AND status = 'running' RETURNING id\n"
        '""").bindparams(bindparam("lease", type_=Interval))',
        '    WHERE id = :id RETURNING id\n""").bindparams(bindparam("lease", type_=Interval))',
        ("tests/archive/test_execution.py::test_who_was_taken_over_changes_nothing_any_more",),
    ),
    Mutant(
        "two attempts to archive a run share a name",
        19,
        "archive/archiving.py",
        'f"{number}-{retry}" if retry else str(number)',
        "str(number + retry)",
        ("tests/archive/test_trying_again.py::test_a_second_archive_has_no_name_that_a_second_try_had",),
    ),
    Mutant(
        "an archive goes without its run",
        20,
        "retention/claiming.py",
        "if file.id not in bound]\n",
        "]\n",
        ("tests/archive/test_ends.py::test_a_run_that_may_not_end_keeps_its_archive",),
    ),
    Mutant(
        "the minimum retention of archived files is forgotten",
        5,
        "jobs/deletion.py",
        "    if job.archived_at is None or job.deleted_at is not None:",
        "    if True:",
        (
            "tests/archive/test_ends.py::test_a_minimum_retention_keeps_an_archived_run_from_its_deletion",
            "tests/archive/test_ends.py::test_a_minimum_retention_keeps_an_archived_run_from_an_earlier_end",
        ),
    ),
    Mutant(
        "a file kept for longer than its archived run goes with it",
        5,
        "archive/expiry.py",
        "            if kept.files:\n",
        "            if False:\n",
        (
            "tests/archive/test_ends.py::test_a_file_that_came_back_alone_and_is_kept_for_longer_keeps_its_run_for_as_long",
        ),
    ),
    Mutant(
        "a run is restored without files whose segment is gone",
        20,
        "archive/restoring.py",
        "            if lost := await",
        "            if (lost := 0) and await",
        ("tests/archive/test_ends.py::test_a_run_without_one_of_its_segments_is_not_restored_in_part",),
    ),
)
