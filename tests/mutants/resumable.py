"""Bugs in uploads that come in pieces, and in who may do what."""

from tests.mutants.mutant import Mutant

_TURNS = "tests/files/resumable/test_turns.py::test_"
_RESUMABLE = "tests/files/resumable/test_resumable.py::test_"

MUTANTS = (
    Mutant(
        "an upload says that bytes are durable which are not synced",
        1,
        "files/resumable/appending.py",
        "        running = await writer.checkpoint()\n",
        "        running = None\n",
        (f"{_RESUMABLE}what_a_client_sent_before_it_left_is_kept",),
    ),
    Mutant(
        "an older request writes on beside the newer one",
        1,
        "files/resumable/turns.py",
        "                    earlier.stop(loses=loses)\n",
        "                    break\n",
        (f"{_TURNS}of_two_requests_the_newer_goes_on_and_no_byte_is_mixed[in one process]",),
    ),
    Mutant(
        "two processes write to one object",
        1,
        "storage/writing.py",
        "        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "",
        ("tests/storage/test_resuming.py::test_one_writer_at_a_time_goes_on_with_an_object",),
    ),
    Mutant(
        "what a crash left behind the durable bytes stays",
        1,
        "storage/writing.py",
        "        os.ftruncate(descriptor, size_bytes)\n",
        "",
        ("tests/storage/test_resuming.py::test_an_object_goes_on_behind_so_many_bytes_and_nothing_else_of_it_stays",),
    ),
    Mutant(
        "a writer goes on after the kernel refused something",
        1,
        "storage/writing.py",
        "            except OSError:\n                self.close()\n                raise\n",
        "            except OSError:\n                raise\n",
        ("tests/storage/test_disk_faults.py::test_a_writer_takes_nothing_more_once_the_disk_was_full",),
    ),
    Mutant(
        "no scope is asked for",
        22,
        "api/dependencies.py",
        '    _require_scope(caller, scope["operation"])\n',
        "",
        ("tests/api/test_scopes.py::test_a_session_that_reads_does_nothing_else",),
    ),
    Mutant(
        "reads that are answered at once ask for no scope",
        22,
        "sessions/queries.py",
        "        AND (own_scopes IS NULL OR own_scopes && ARRAY['files:read', 'admin'])\n",
        "",
        ("tests/api/test_scopes.py::test_a_session_that_writes_reads_nothing",),
    ),
)
