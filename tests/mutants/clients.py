"""Bugs in how clients are understood, and in what they are told."""

from tests.mutants.mutant import Mutant

MUTANTS = (
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
