"""Bugs in pictures that are kept of files."""

from tests.mutants.mutant import Mutant

SERVICE = "tests/renditions/test_service.py"
MUTANTS = (
    Mutant(
        "a picture is kept behind the back of a file that goes",
        8,
        "files/renditions.py",
        "    if parent is None:\n        raise UploadLeaseLost(asked.id)\n    expires_at, ends_first = parent\n",
        "    expires_at, ends_first = parent or (None, False)\n",
        (f"{SERVICE}::test_no_picture_outlives_its_file_whenever_that_goes",),
    ),
    Mutant(
        "what is deleted for good leaves its pictures to the sweep",
        8,
        "deletion/selection.py",
        "of_renditions([facts.id for _, facts in files])",
        "of_renditions([])",
        ("tests/api/test_thumbnails.py::test_what_is_kept_counts_ends_with_its_file_and_is_no_news",),
    ),
    Mutant(
        "two processes make the same picture",
        47,
        "renditions/keeping.py",
        "        exclusive=True,\n",
        "        exclusive=False,\n",
        (f"{SERVICE}::test_many_in_several_processes_have_one_made",),
    ),
    Mutant(
        "one owner's pictures are made before any of another's",
        47,
        "renditions/queue.py",
        "                self._waiting[owner] = mine  # behind all others\n",
        "                self._waiting[owner] = mine\n                self._waiting.move_to_end(owner, last=False)\n",
        ("tests/renditions/test_queue.py::test_one_picture_of_an_owner_does_not_wait_behind_all_of_another",),
    ),
)
