"""Planted bugs: a harness counts only once each of them turned it red.

`scripts/mutants [NAME…]` applies them one at a time to a copy and runs the tests that must fail.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
COPIED = ("media_analysis", "migrations", "tests", "pyproject.toml", "alembic.ini")
KILL = "tests/crash/test_kill.py::test_a_service_killed_at_any_moment_keeps_its_promises"


@dataclass(frozen=True)
class Mutant:
    """A bug: where it is planted, which promise it breaks, and the tests that must turn red."""

    name: str
    promise: int
    file: str
    sound: str
    broken: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "a name is created without asking for its row",
        2,
        "files/registrar.py",
        "held = [item for item in asked if item.id in locked]",
        "held = list(asked)",
        ("tests/files/test_registrar.py::test_no_name_is_created_once_the_sweep_took_the_row",),
    ),
    Mutant(
        "names of a lost transaction stay",
        2,
        "files/registrar.py",
        "await self.store.delete_many(list(writers))",
        "pass",
        ("tests/files/test_lost_connection.py::test_names_made_after_their_lock_was_lost_are_taken_back",),
    ),
    Mutant(
        "a lease is not renewed",
        1,
        "files/uploads.py",
        "held = await queries.mark_leased(",
        "held = True or await queries.mark_leased(",
        ("tests/files/test_uploads.py::test_a_slow_upload_keeps_its_lease_for_as_long_as_it_reports",),
    ),
    Mutant(
        "the fact is written whatever the state",
        15,
        "files/registration.py",
        "WHERE file.id = timed.id AND file.state = 'pending'",
        "WHERE file.id = timed.id",
        ("tests/files/test_registrar.py::test_settling_twice_counts_once",),
    ),
    Mutant(
        "a settled upload is not recognised after a lost answer",
        17,
        "files/registration.py",
        "    if missing:\n",
        "    if False:\n",
        ("tests/files/test_lost_connection.py::test_a_lost_connection_at_a_commit_still_yields_the_stored_file",),
    ),
    Mutant(
        "bytes are cleaned up after COMMIT was sent",
        3,
        "files/uploads.py",
        "        settled = await self.registrar.settle(settlement)\n",
        "        try:\n            settled = await self.registrar.settle(settlement)\n"
        "        except Exception:\n            await self.store.delete_many([registration.key])\n            raise\n",
        ("tests/files/test_lost_connection.py::test_a_database_that_stays_away_after_the_fact_leaves_the_file_stored",),
    ),
    Mutant(
        "an idempotent answer is not remembered",
        16,
        "files/registration.py",
        "SET answer = to_jsonb(settled)",
        "SET answer = NULL",
        (
            "tests/files/test_idempotency.py::test_a_repeated_upload_gets_the_first_answer",
            f"{KILL}[upload.settled:2]",
        ),
    ),
    Mutant(
        "a key may be taken while its upload settles",
        16,
        "files/registration.py",
        "ORDER BY known.owner, known.key FOR UPDATE OF known",
        "ORDER BY known.owner, known.key",
        ("tests/files/test_idempotency.py::test_a_key_taken_at_the_very_moment_of_settling_is_lost",),
    ),
    Mutant(
        "a pending file is readable",
        4,
        "files/service.py",
        "if file.state is not FileState.STORED:",
        "if False:",
        ("tests/files/test_reading.py::test_a_pending_file_is_unreadable",),
    ),
    Mutant(
        "a file is still read at the instant it expires",
        9,
        "files/queries.py",
        "MediaFile.expires_at > clock(now))",
        "MediaFile.expires_at >= clock(now))",
        ("tests/files/test_reading.py::test_a_file_is_gone_from_the_very_instant_it_expires",),
    ),
    Mutant(
        "a file is still kept at the instant it expires",
        9,
        "retention/policy.py",
        "if expires_at is not None and expires_at <= now:",
        "if expires_at is not None and expires_at < now:",
        ("tests/retention/test_policy.py",),
    ),
    Mutant(
        "a hold is ignored",
        5,
        "retention/policy.py",
        "if held_until is not None and held_until > now:",
        "if False:",
        ("tests/retention/test_policy.py", "tests/retention/test_holds.py"),
    ),
    Mutant(
        "bytes go before the tombstone is committed",
        3,
        "retention/deletion.py",
        '            failpoint("delete.claiming")\n',
        "            await self.store.delete_many([row.key for row in due])\n"
        '            failpoint("delete.claiming")\n',
        (f"{KILL}[delete.claiming:1]", "tests/retention/test_outbox.py"),
    ),
    Mutant(
        "a purge is confirmed before its bytes are gone",
        2,
        "retention/deletion.py",
        "        outcome = await self.store.delete_many([file.key for file in claim.files], overwrite=claim.secure)\n",
        "        async with self.db.transaction() as session:\n"
        "            await outbox.confirm(session, claim, [], max_attempts=self.max_attempts)\n"
        "        outcome = await self.store.delete_many([file.key for file in claim.files], overwrite=claim.secure)\n",
        ("tests/retention/test_outbox.py::test_a_store_unmounted_after_the_claim_confirms_nothing",),
    ),
    Mutant(
        "a claim is never taken over",
        8,
        "retention/burial.py",
        "VALUES (:purge_id, :sweep_id, CAST(:ids AS uuid[]), now(), now() + :lease, 1, :secure)",
        "VALUES (:purge_id, :sweep_id, CAST(:ids AS uuid[]), now(), NULL, 1, :secure)",
        (f"{KILL}[delete.claimed:1]", "tests/retention/test_two_sweepers.py"),
    ),
    Mutant(
        "a deletion does not give back to the ledger",
        15,
        "retention/burial.py",
        "    await ledger.move(session, ledger.sum_movements(moved))\n",
        "    await ledger.move(session, ledger.sum_movements(moved[1:]))\n",
        ("tests/retention/test_sweep.py", "tests/files/test_ledger.py"),
    ),
    Mutant(
        "a claim moves the ledger once a rule",
        11,
        "retention/burial.py",
        "    await ledger.move(session, ledger.sum_movements(moved))\n",
        "    for one in moved:\n        await ledger.move(session, ledger.sum_movements([one]))\n",
        ("tests/retention/test_two_sweepers.py",),
    ),
    Mutant(
        "a claim takes no locks",
        11,
        "retention/due.py",
        'f"{sql} FOR UPDATE SKIP LOCKED"',
        "sql",
        ("tests/retention/test_two_sweepers.py::test_two_sweepers_share_the_work",),
    ),
    Mutant(
        "a claim waits for locks",
        11,
        "retention/due.py",
        'f"{sql} FOR UPDATE SKIP LOCKED"',
        'f"{sql} FOR UPDATE"',
        (
            "tests/retention/test_two_sweepers.py::test_what_another_process_held_when_the_sweep_passed_is_taken_before_it_ends",
        ),
    ),
    Mutant(
        "the cursor is never rewound",
        10,
        "retention/sweep.py",
        "                cursor.rewind()\n                continue\n",
        "                return\n",
        (
            "tests/retention/test_two_sweepers.py::test_what_another_process_held_when_the_sweep_passed_is_taken_before_it_ends",
        ),
    ),
    Mutant(
        "an absent object counts as gone without the marker",
        2,
        "storage/disk.py",
        "        if unlinked.absent:\n",
        "        if False:\n",
        ("tests/storage/test_disk_deletion.py",),
    ),
    Mutant(
        "an unlink that is not durable counts",
        2,
        "storage/unlinking.py",
        "        # Unlinked but not durably so: all of them stay in the outbox and are tried again.\n"
        '        outcome.failed.update({f"{directory}/{name}": errno_name(error) for name in names})\n',
        "        del error\n",
        ("tests/storage/test_disk_faults.py::test_what_is_unlinked_but_not_durably_so_stays_on_the_outbox",),
    ),
    Mutant(
        "a descriptor is closed under its thread",
        3,
        "storage/disk.py",
        "    while not working.done():\n",
        "    if not working.done():\n",
        ("tests/storage/test_disk_names.py",),
    ),
    Mutant(
        "a name is overwritten",
        1,
        "storage/disk.py",
        "os.O_CREAT | os.O_EXCL | os.O_WRONLY",
        "os.O_CREAT | os.O_WRONLY",
        ("tests/storage/test_contract.py::test_a_name_is_created_once_and_never_overwritten",),
    ),
    Mutant(
        "a folder that vanishes under its next name fails the upload",
        12,
        "storage/disk.py",
        "            except FileNotFoundError:\n                continue",
        "            except FileExistsError:\n                continue",
        ("tests/storage/test_disk_names.py::test_creating_and_deleting_in_one_folder_at_once_loses_nothing",),
    ),
    Mutant(
        "an unmarked store is adopted by a database that knows files",
        2,
        "storage/marker.py",
        "if not fresh_database:",
        "if False:",
        ("tests/storage/test_marker.py::test_a_database_that_knows_files_never_marks_an_empty_root",),
    ),
)


def copy_to(directory: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, directory / name)


def passes(directory: Path, tests: tuple[str, ...]) -> bool:
    """Run tests of the copy, which stands first on the import path."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not large", "-p", "no:cacheprovider", *tests]
    ended = subprocess.run(command, cwd=directory, env=None, capture_output=True, text=True, check=False)
    if ended.returncode > 1:
        raise SystemExit(ended.stdout + ended.stderr)
    return ended.returncode == 0


def verdict(directory: Path, mutant: Mutant) -> str:
    """Plant one bug, say what each of its tests made of it, and take it out again."""
    path = directory / "media_analysis" / mutant.file
    sound = path.read_text()
    if sound.count(mutant.sound) != 1:
        return "stale: its text is not there exactly once"
    path.write_text(sound.replace(mutant.sound, mutant.broken))
    try:
        survived = [test for test in mutant.tests if passes(directory, (test,))]
    finally:
        path.write_text(sound)
    return f"survived {', '.join(survived)}" if survived else "killed"


def main() -> int:
    chosen = [mutant for mutant in MUTANTS if not sys.argv[1:] or mutant.name in sys.argv[1:]]
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        directory = Path(name)
        copy_to(directory)
        for mutant in chosen:
            verdicts.append(verdict(directory, mutant))
            print(f"promise {mutant.promise:2}  {mutant.name:65} {verdicts[-1]}", flush=True)  # noqa: T201
    print(f"{verdicts.count('killed')} of {len(verdicts)} killed")  # noqa: T201
    return 0 if all(verdict == "killed" for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
