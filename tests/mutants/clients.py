"""Bugs in how clients are understood, and in what they are told."""

from tests.mutants.mutant import Mutant

LEAVING = "tests/api/test_leaving.py::test_a_client_that_leaves"
HOSTILE = "tests/cli/test_tables.py::test_a_sentence_steers_no_terminal_and_json_says_what_was_said"
BY_ENDS = "tests/api/test_listing.py::test_with_expires_before_pages_go_by_ends"
OWN_SHARE = "tests/api/test_quota.py::test_a_user_is_told"
_LOCKED = (
    "tests/files/upload/test_small.py"
    "::test_rows_are_locked_while_bytes_are_put_and_what_came_after_these_locks_is_taken_back"
)
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
        "one owner may hold all memory for whole bodies",
        28,
        "files/upload/small.py",
        "        return mine <= self.most_bytes - self._all_bytes\n",
        "        return self._all_bytes <= self.most_bytes\n",
        ("tests/files/upload/test_small.py::test_no_owner_holds_more_memory_than_is_left_for_all_others",),
    ),
    Mutant(
        "small uploads get their names without the locks of their rows",
        2,
        "files/upload/small.py",
        "                locked = await pending.lock_pending(locking, [item.registration.id for item in asked])\n",
        "                locked = {item.registration.id for item in asked}\n",
        (_LOCKED,),
    ),
    Mutant(
        "small uploads leave names that were made after their locks were lost",
        2,
        "files/upload/small.py",
        "            await store.delete_many([item.registration.key for item in held])\n",
        "",
        (_LOCKED,),
    ),
    Mutant(
        "small uploads write into the disk's reserve",
        9,
        "files/upload/small.py",
        "leaving_bytes=self.protocol.reserve_bytes + self._under_way_bytes",
        "leaving_bytes=0",
        ("tests/files/upload/test_small.py::test_a_group_leaves_the_reserve_of_the_disk_alone",),
    ),
    Mutant(
        "a group of small uploads may pass a quota",
        9,
        "files/ledger.py",
        "        SELECT category FROM filled WHERE over UNION ALL SELECT category FROM counted WHERE over\n",
        "        SELECT category FROM filled WHERE false\n",
        ("tests/files/upload/test_small.py::test_a_quota_stops_those_who_pass_it_and_nobody_else",),
    ),
    Mutant(
        "who passed a quota goes on failing the groups of others",
        28,
        "files/upload/service.py",
        "            self.small.note_full(asked.account)\n",
        "",
        ("tests/files/upload/test_small.py::test_who_passed_a_quota_fails_no_more_groups_of_others_for_a_while",),
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
        ("tests/api/test_changes.py::test_an_expired_file_is_gone_before_and_after_the_sweep",),
    ),
    Mutant(
        "the list of what ends next hides what is kept beyond its end",
        15,
        "files/reading.py",
        '        yield place, [*living, *_ENDING, "file.due_at IS DISTINCT FROM file.expires_at"]\n',
        "",
        (f"{BY_ENDS}_and_skip_none_that_ends_at_the_same_instant",),
    ),
    Mutant(
        "a revoked token opens all that is not answered at once",
        22,
        "sessions/queries.py",
        "revoked_at IS NULL AND expires_at > coalesce($2",
        "expires_at > coalesce($2",
        ("tests/sessions/test_tokens.py::test_revoking_is_final_and_happens_once",),
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
