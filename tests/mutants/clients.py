"""Bugs in how clients are understood, and in what they are told."""

from tests.mutants.mutant import Mutant

LEAVING = "tests/api/test_leaving.py::test_a_client_that_leaves"
HOSTILE = "tests/cli/test_tables.py::test_a_sentence_steers_no_terminal_and_json_says_what_was_said"
OWN_SHARE = "tests/api/test_quota.py::test_a_user_is_told"
MUTANTS = (
    Mutant(
        "a token that was just good still stores small files",
        34,
        "files/upload/pending.py",
        "AND session.revoked_at IS NULL AND session.expires_at > now()",
        "",
        ("tests/files/upload/test_small.py::test_a_session_that_was_revoked_stores_nothing",),
    ),
    Mutant(
        "the short way shows files of others",
        22,
        "files/reading.py",
        '"(caller.sees_all OR file.owner = caller.owner)"',
        '"true"',
        ("tests/api/test_shortcuts.py::test_what_somebody_else_owns_is_unknown",),
    ),
    Mutant(
        "the short way shows what is over",
        9,
        "files/reading.py",
        "file.state <> 'trashed' AND (file.expires_at IS NULL OR file.expires_at > now())",
        "true",
        ("tests/api/test_listing.py::test_a_list_shows_the_callers_living_files_newest_first",),
    ),
    Mutant(
        "what clients say steers the operator's terminal",
        22,
        "cli/console.py",
        'text if control else escape_controls(text, keep="\\n")',
        "text",
        (HOSTILE,),
    ),
    Mutant(
        "whoever finds no room is told what others have",
        22,
        "api/errors.py",
        "error.facts() if to_administrator else error.facts_for_users()",
        "error.facts()",
        (f"{OWN_SHARE}_of_their_own_share_and_of_nothing_that_others_have",),
    ),
    Mutant(
        "the figures of a breaker are told to everybody",
        22,
        "deletion/models.py",
        "_TOLD_TO_USERS.get(self.cause, self.reason)",
        "self.reason",
        (f"{OWN_SHARE}_that_deletion_is_paused_and_no_figures_of_others",),
    ),
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
        "files/upload/room.py",
        "        await self._complete(asked)\n",
        "        pass\n",
        ("tests/api/test_uploads_multipart.py::test_what_changes_no_place_may_follow_the_file",),
    ),
    Mutant(
        "an upload goes on although its token was revoked",
        13,
        "sessions/admission.py",
        "            if self.is_rejected:\n                raise TokenRejected\n",
        "",
        ("tests/api/test_admission.py::test_an_analysers_product_under_way_ends_with_its_token",),
    ),
    Mutant(
        "heads that are not whole share no budget",
        13,
        "api/connections.py",
        "        if head_bytes > self._limits.small_head_bytes and",
        "        if head_bytes > self._limits.head_bytes and",
        ("tests/api/test_connections.py",),
    ),
    Mutant(
        "an owner has one long request more than may be",
        13,
        "sessions/admission.py",
        "        if len(mine) >= most:\n",
        "        if len(mine) > most:\n",
        ("tests/api/test_admission.py",),
    ),
)
