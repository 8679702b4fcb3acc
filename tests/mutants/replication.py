"""Bugs in replicas."""

from tests.mutants.mutant import Mutant

_COPYING = "tests/replication/test_copying.py"
_HEALING = "tests/replication/test_healing.py"
_OVERTAKEN = "tests/replication/test_overtaken.py"
_OPENING = "tests/replication/test_opening.py"
_PUT_BACK = "tests/replication/test_put_back.py"

MUTANTS = (
    Mutant(
        "what is deleted stays in the replica store",
        8,
        "storage/replicated.py",
        "        return _both(keys, outcome.failed, await self.delete_replicas(keys, overwrite=overwrite))",
        "        return _both(keys, outcome.failed, {})",
        (f"{_COPYING}::test_what_is_deleted_is_deleted_in_both_before_that_is_confirmed",),
    ),
    Mutant(
        "a deletion is confirmed while the replica store is away",
        8,
        "storage/replicated.py",
        "            return _away(keys, error)",
        "            return {}",
        (f"{_COPYING}::test_deletions_wait_for_a_replica_that_is_away_and_are_done_when_it_is_back",),
    ),
    Mutant(
        "a file that went while it was copied leaves its copy",
        8,
        "replication/service.py",
        "            failed |= await delete_copies(store, [duty.key for duty in duties])",
        "            pass",
        (f"{_COPYING}::test_a_file_that_goes_while_it_is_copied_leaves_no_copy",),
    ),
    Mutant(
        "what is put back and imported goes with the replica of the file before",
        3,
        "replication/service.py",
        "            going = [duty for duty in duties if duty.key not in kept]",
        "            going = [duty for duty in duties if duty.key or kept]",
        (f"{_PUT_BACK}::test_what_is_put_back_and_imported_once_the_end_of_a_replica_was_taken_on_stays",),
    ),
    Mutant(
        "what is put back while replicas of what was set aside are deleted counts as copied",
        44,
        "replication/claiming.py",
        "    WHERE file.key = ANY(CAST(:keys AS text[])) AND replicas.file_id = file.id\n",
        "    WHERE false AND file.key = ANY(CAST(:keys AS text[])) AND replicas.file_id = file.id\n",
        (
            f"{_PUT_BACK}::test_what_is_put_back_and_copied_while_replicas_of_what_was_set_aside_are_deleted_is_copied_again",
        ),
    ),
    Mutant(
        "whatever lies in the replica store is taken for a copy",
        44,
        "replication/copying.py",
        "            if await self._copier(duty).find(replace(duty, sha256=expected)) is not None:",
        "            if expected:",
        (f"{_COPYING}::test_what_was_there_before_is_copied_when_a_place_is_named",),
    ),
    Mutant(
        "damaged bytes become a copy",
        44,
        "replication/copying.py",
        " if duty.sha256 not in {None, digest.value()} else ",
        " if duty.sha256 is None else ",
        (f"{_HEALING}::test_damaged_bytes_never_become_a_copy_and_are_mended_from_one_that_is_found",),
    ),
    Mutant(
        "the primary is set aside before the second is proven",
        44,
        "replication/healing.py",
        "await holds(self.replica, duty, duty.sha256):",
        "await holds(self.replica, duty, duty.sha256) and duty.key == '':",
        (f"{_HEALING}::test_what_is_whole_nowhere_is_not_touched",),
    ),
    Mutant(
        "what is mounted in the place of the replica store is taken for a new one",
        44,
        "replication/opening.py",
        "        if found is None and marked:",
        "        if found is None and marked is None:",
        (f"{_OPENING}::test_a_place_that_lost_its_marker_is_away_and_not_new",),
    ),
    Mutant(
        "who does not name the replica store deletes from the first alone",
        8,
        "replication/opening.py",
        "    if known is not None and known not in named:",
        "    if known == '' and known not in named:",
        (f"{_OPENING}::test_nobody_deletes_from_the_primaries_alone_by_leaving_out_where_the_replicas_are",),
    ),
    Mutant(
        "whoever was overtaken deletes the copy of who came after",
        44,
        "storage/copying.py",
        "                await writer.revert()",
        "                await self.target.delete_many([wanted.key])",
        (f"{_COPYING}::test_whoever_was_overtaken_while_it_copied_deletes_nothing_of_who_came_after",),
    ),
    Mutant(
        "a copy that was on its way to a place that is lost counts at the new one",
        44,
        "replication/claiming.py",
        "    FROM held JOIN living ON living.id = held.id\n"
        "    WHERE replicas.file_id = held.id AND replicas.lease_id = held.lease_id",
        "    FROM held JOIN living ON living.id = held.id\n    WHERE replicas.file_id = held.id",
        (
            f"{_OVERTAKEN}::test_a_copy_that_was_under_way_when_its_place_was_said_to_be_new_does_not_count_there",
            f"{_OVERTAKEN}::test_a_lease_that_ended_counts_no_more_when_the_copy_is_to_be_made_again",
        ),
    ),
    Mutant(
        "who was overtaken deletes what somebody else put in the place of a damaged copy",
        44,
        "storage/copying.py",
        "        await self.require_held()\n        failed",
        "        failed",
        (f"{_OVERTAKEN}::test_what_somebody_else_put_in_the_place_of_a_damaged_copy_meanwhile_is_not_deleted",),
    ),
)
