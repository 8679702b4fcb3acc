"""Bugs in how clients are understood, and in what they are told."""

from tests.mutants.mutant import Mutant

LEAVING = "tests/api/test_leaving.py::test_a_client_that_leaves"
MUTANTS = (
    Mutant(
        "a client that left is an error of the service",
        24,
        "api/exchanges.py",
        "CLIENT_LEFT if self._is_left else self._status",
        "self._status",
        (f"{LEAVING}_while_it_sends_is_noted_as_gone", f"{LEAVING}_an_event_stream_is_noted_as_gone"),
    ),
    Mutant(
        "a form may end before its closing boundary",
        1,
        "api/multipart.py",
        "        elif not self._is_closed:\n",
        "        elif self._in_file:\n",
        ("tests/api/test_uploads_multipart.py::test_a_form_that_is_cut_is_incomplete_and_nothing_is_kept",),
    ),
    Mutant(
        "what follows the file in a form is answered and not stored",
        1,
        "files/room.py",
        "        await self._complete(asked)\n",
        "        pass\n",
        ("tests/api/test_uploads_multipart.py::test_what_changes_no_place_may_follow_the_file",),
    ),
)
