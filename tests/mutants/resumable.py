"""Bugs in uploads that come in pieces, and in who may do what."""

from tests.mutants.mutant import Mutant

_TURNS = "tests/files/resumable/test_turns.py::test_"
_WRITING = "tests/storage/test_writing.py::test_"
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
        "a descriptor is closed under the thread that writes through it",
        1,
        "storage/writing.py",
        "            self._flushing.add_done_callback(self._close_behind)\n",
        "            self._close()\n",
        (f"{_WRITING}a_writer_that_is_left_keeps_its_descriptor_until_its_thread_is_done",),
    ),
    Mutant(
        "whoever is cancelled while it waits for a thread loses what it gave",
        1,
        "storage/writing.py",
        "            await self._flushed()\n            self._flushing = self._run(partial(self._flush, self._take()))",
        "            pieces = self._take()\n            await self._flushed()\n"
        "            self._flushing = self._run(partial(self._flush, pieces))",
        (f"{_WRITING}whoever_is_cancelled_while_it_waits_for_a_thread_loses_nothing_it_gave",),
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
        "            except OSError:\n                self._close()\n                raise\n",
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
    Mutant(
        "reads that are answered at once look at no limit",
        22,
        "sessions/queries.py",
        "        AND categories IS NULL AND labels IS NULL\n",
        "",
        ("tests/api/test_limited_sessions.py::test_what_lies_outside_is_answered_as_what_does_not_exist",),
    ),
    Mutant(
        "a limited session may use whatever its scopes open",
        22,
        "api/dependencies.py",
        "    if caller.limit is not None and not operation.keeps_limits:\n",
        "    if False:\n",
        ("tests/api/test_scopes.py::test_a_limited_session_uses_only_what_looks_at_its_limit",),
    ),
    Mutant(
        "labels that changed before a file is locked let whoever changes it go on",
        22,
        "api/conditions.py",
        "        if limit is not None and not limit.admits(file.category, file.labels):\n",
        "        if False:\n",
        ("tests/api/test_limited_sessions.py::test_labels_are_looked_at_again_once_a_file_is_locked",),
    ),
    Mutant(
        "what was derived goes with its file, whoever may not delete it",
        22,
        "retention/families.py",
        "    if asked.limit is not None and await list_outside(session, ids, limit=asked.limit):\n",
        "    if False:\n",
        ("tests/api/test_limited_sessions.py::test_what_was_derived_and_lies_outside_does_not_go",),
    ),
    Mutant(
        "lists of a limited session know its labels alone",
        22,
        "files/filters.py",
        "        return asked if self.limit is None else self.limit.within(asked)\n",
        "        return asked\n",
        (
            "tests/api/test_limited_sessions.py::test_lists_and_checks_find_what_lies_inside_only",
            "tests/api/test_limited_sessions.py::test_a_filter_deletes_what_lies_inside_only",
        ),
    ),
    Mutant(
        "contents are found that a session does not reach",
        22,
        "files/queries.py",
        '    reached = "true" if limit is None else limit.condition(number, "file")\n',
        '    reached = "true"\n',
        ("tests/api/test_limited_sessions.py::test_lists_and_checks_find_what_lies_inside_only",),
    ),
    Mutant(
        "a limited session ends others of its owner",
        22,
        "sessions/service.py",
        "        if by is not None and by.limit is not None and by.session_id != session_id:\n",
        "        if False:\n",
        ("tests/api/test_limited_sessions.py::test_a_limited_session_ends_itself_and_no_other",),
    ),
)
