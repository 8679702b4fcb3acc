"""Bugs in where the service stands, and in what leads there without a token."""

from tests.mutants.mutant import Mutant

PLACE = "tests/api/test_place.py"
ENDS = "tests/api/test_link_ends.py::test_a_link_dies_with_what_it_is_made_of"
MUTANTS = (
    Mutant(
        "a browser shows what it could run",
        34,
        "files/links/service.py",
        ' and "xml" not in media_type',
        "",
        ("tests/api/test_link_browsers.py::test_what_a_browser_could_run_is_not_shown",),
    ),
    Mutant(
        "a client writes its own address behind a trusted proxy",
        34,
        "api/place.py",
        "told[: -MOST_HOPS - 1 : -1]",
        "told[:MOST_HOPS]",
        (f"{PLACE}::test_the_client_is_the_nearest_hop_that_is_not_trusted",),
    ),
    Mutant(
        "whoever is on the machine is believed about where it is",
        34,
        "app.py",
        "        proxy_headers=False,",
        "        proxy_headers=True,",
        (f"{PLACE}::test_the_server_itself_believes_nobody_on_its_machine",),
    ),
    Mutant(
        "a link lives on when its session is revoked",
        40,
        "files/links/statements.py",
        "            OR coalesce(session.expires_at <= now(), true) AS is_revoked,\n",
        "            OR false AS is_revoked,\n",
        (ENDS,),
    ),
    Mutant(
        "a link whose file is in an archive says where",
        40,
        "files/links/service.py",
        "(FileNotFound, FileGone, FileArchived, FileNotReady) as error",
        "(FileNotFound, FileGone, FileNotReady) as error",
        ("tests/api/test_link_ends.py::test_a_link_dies_when_its_file_goes_into_an_archive",),
    ),
    Mutant(
        "whoever waited for a link takes it from who has it",
        22,
        "files/links/claims.py",
        "        if left_seconds is not None and link.file_id != file_id:\n",
        "        if False:\n",
        ("tests/api/test_upload_links.py::test_of_many_at_once_one_brings_the_file",),
    ),
    Mutant(
        "the signature of a link is not looked at",
        22,
        "files/links/signing.py",
        "hmac.compare_digest(expected, self.signature) and secret is not None",
        "secret is not None",
        ("tests/api/test_links.py::test_what_is_not_signed_is_not_there",),
    ),
    Mutant(
        "the log tells the signatures of links",
        23,
        "api/middleware.py",
        '            path = _LINK.sub(r"\\1.***", scope["path"])\n',
        '            path = scope["path"]\n',
        ("tests/api/test_links.py::test_nothing_that_is_written_down_tells_an_address",),
    ),
)
