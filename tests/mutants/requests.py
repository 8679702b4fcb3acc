"""Bugs in how requests are read: where they end, what they say twice, and what of it is overlooked."""

from tests.mutants.mutant import Mutant

_HEADS = "tests/api/test_heads.py::test_a_head_that"
_CONNECTIONS = "tests/api/test_connections.py::test_"
_WISHES = "tests/api/test_wishes.py::test_"
_REQUESTS = "tests/api/test_requests.py::test_"
_DIGESTS = "tests/api/test_digests.py::test_"

MUTANTS = (
    Mutant(
        "a body beside an offer to upgrade has no end",
        1,
        "api/connections.py",
        "+ framing(self._decisive) + last",
        "+ last",
        (f"{_CONNECTIONS}a_body_comes_whole_whatever_else_its_head_offers[length]",),
    ),
    Mutant(
        "a digest behind a body is overlooked",
        1,
        "api/connections.py",
        "            if name in DIGESTS:\n",
        "            if name in DECISIVE:\n",
        (f"{_DIGESTS}a_digest_behind_the_body_is_refused",),
    ),
    Mutant(
        "a head that begins behind another request has no bound",
        13,
        "api/connections.py",
        '            self._is_uncounted |= not is_same_head and self.url != b""\n',
        "",
        (f"{_HEADS}_begins_behind_another_request_has_no_more_room",),
    ),
    Mutant(
        "a request may name two hosts",
        22,
        "api/heads.py",
        "if len(hosts) != 1 and (hosts or version",
        "if not hosts and (hosts or version",
        (f"{_HEADS}_says_two_things_or_none_is_refused",),
    ),
    Mutant(
        "a chunked body may have a length, too",
        22,
        "api/heads.py",
        "    if is_ambiguous:\n",
        "    if False:\n",
        (f"{_HEADS}_says_two_things_or_none_is_refused",),
    ),
    Mutant(
        "the last of two parameters counts",
        7,
        "api/requests.py",
        "        if name in seen and name not in lists:\n",
        "        if name in lists:\n",
        (f"{_WISHES}a_parameter_given_twice_is_refused_by_name",),
    ),
    Mutant(
        "the last of two members of a document counts",
        7,
        "api/documents.py",
        "    if len(found) < len(members):\n",
        "    if not members:\n",
        (f"{_WISHES}a_member_named_twice_at_any_depth_is_refused_by_name",),
    ),
    Mutant(
        "a condition on what has no tag is overlooked",
        7,
        "api/conditions.py",
        'if match is not None and "*" not in match:',
        'if match is not None and "*" in match:',
        (f"{_REQUESTS}no_condition_is_overlooked_where_nothing_has_a_tag",),
    ),
    Mutant(
        "documents are not compared with their digests",
        1,
        "api/checks.py",
        "        require_digests(body, digests)\n",
        "",
        (f"{_DIGESTS}a_document_has_every_digest_that_was_announced",),
    ),
    Mutant(
        "a key is overlooked where none is remembered",
        35,
        "api/checks.py",
        '    if method == "POST" and not operation.remembers_keys:\n',
        "    if False:\n",
        (f"{_WISHES}a_key_is_remembered_or_refused",),
    ),
    Mutant(
        "a parameter's type has more beside its name",
        35,
        "api/document.py",
        '{"$ref": schema["$ref"]} if "$ref" in schema else schema',
        "schema",
        ("tests/api/test_openapi.py::test_nothing_is_there_of_which_generators_make_no_type",),
    ),
)
