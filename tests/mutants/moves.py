"""Bugs in how stores are moved."""

from tests.mutants.mutant import Mutant

_LIFE = "tests/moves/test_service.py::test_a_store_moves_while_files_come_and_go"
_HEALING = "tests/replication/test_healing.py"
_REFUSALS = "tests/moves/test_refusals.py"
_REOPENING = "tests/moves/test_reopening.py"
_SWITCHING = "tests/moves/test_switching.py"

MUTANTS = (
    Mutant(
        "what is deleted while a store moves stays at the other place",
        8,
        "moves/statements.py",
        "        AND (purge.id IS NULL OR purge.confirmed_at IS NOT NULL)\n",
        "        AND purge.confirmed_at IS NULL\n",
        (_LIFE,),
    ),
    Mutant(
        "a service goes on writing to the place that was left",
        1,
        "storage/marker.py",
        "        if self.moved_to is not None:",
        "        if self.moved_to == self:",
        (_LIFE,),
    ),
    Mutant(
        "a service starts on a place that a move still fills",
        1,
        "storage/marker.py",
        "        if self.is_filling:",
        "        if self.is_filling is None:",
        ("tests/moves/test_service.py::test_no_service_starts_on_a_place_that_is_none",),
    ),
    Mutant(
        "an upload that began before a switch ends at the place that was left",
        1,
        "moves/switching.py",
        "        while await self._leave_unfinished(opened.move) >= statements.AT_ONCE:\n            pass\n",
        "",
        (f"{_SWITCHING}::test_an_upload_that_ends_after_the_switch_is_told_that_it_is_gone",),
    ),
    Mutant(
        "bytes that differ from their row are copied",
        3,
        "storage/copying.py",
        "        if wanted.sha256 not in {None, digest.value()}:",
        "        if wanted.sha256 is None:",
        (
            f"{_REFUSALS}::test_objects_that_are_damaged_stop_the_switch_unless_they_are_left",
            f"{_HEALING}::test_damaged_bytes_never_become_a_copy_and_are_mended_from_one_that_is_found",
        ),
    ),
    Mutant(
        "what is left goes although its copy is damaged",
        1,
        "moves/emptying.py",
        "        return left.sha256 in {None, sha256}",
        "        return bool(sha256)",
        (f"{_REFUSALS}::test_an_object_whose_copy_is_damaged_is_not_deleted_where_it_was",),
    ),
    Mutant(
        "what lies in the place a store moves back to is taken for whole",
        1,
        "storage/copying.py",
        "            if await holds(self.target, wanted, expected, pace=self.pace):",
        "            if expected:",
        ("tests/moves/test_back.py::test_what_lies_in_the_place_it_moves_back_to_is_used_and_what_was_deleted_goes",),
    ),
    Mutant(
        "a pause does not keep what a move left",
        36,
        "moves/emptying.py",
        "            if not pause.cause.stops_evictions_only:",
        "            if pause.cause.stops_evictions_only:",
        (f"{_REFUSALS}::test_what_is_left_stays_while_the_settings_name_it_or_deletion_is_paused",),
    ),
    Mutant(
        "a store is switched to the empty directory where the target's volume was",
        1,
        "moves/switching.py",
        "        await done.run()\n        await opened.require_target()\n",
        "        await done.run()\n",
        (f"{_REOPENING}::test_a_target_that_goes_while_the_source_is_closed_leaves_the_store_open",),
    ),
    Mutant(
        "a pause that begins while what is left goes stops nothing",
        36,
        "moves/emptying.py",
        "        await self._require_unpaused()  # this takes",
        "        # this takes",
        (f"{_REFUSALS}::test_a_pause_stops_the_deletion_of_what_is_left_in_its_midst",),
    ),
    Mutant(
        "a source is opened again after another run switched",
        1,
        "moves/switching.py",
        "            if is_under_way:",
        "            if is_under_way or move:",
        ("tests/moves/test_given_up.py::test_a_run_that_fails_after_another_one_switched_does_not_open_the_source",),
    ),
    Mutant(
        "a move is switched that another run gave up",
        1,
        "moves/register.py",
        "where(StoreMove.id == move_id, _UNDER_WAY).values",
        "where(StoreMove.id == move_id).values",
        ("tests/moves/test_given_up.py::test_a_move_that_was_given_up_meanwhile_is_not_switched",),
    ),
    Mutant(
        "who began to delete before a switch deletes at the place that was left",
        8,
        "storage/disk.py",
        "disk of the archives that replaced it is away.\n        self._require_markers()\n",
        "disk of the archives that replaced it is away.\n",
        ("tests/moves/test_late_deletions.py",),
    ),
)
