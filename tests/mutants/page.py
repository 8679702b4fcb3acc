"""Bugs in the page: who may ask with a browser's cookie, how long, and what becomes of names."""

from tests.mutants.mutant import Mutant

_SIGNING_IN = "tests/web/test_signing_in.py::test_"

MUTANTS = (
    Mutant(
        "a page of another origin changes things with the cookie",
        22,
        "api/cookies.py",
        "        require_own_origin(scope, is_certain=True)\n",
        "",
        (f"{_SIGNING_IN}no_page_of_another_origin_changes_anything_with_the_cookie[headers0]",),
    ),
    Mutant(
        "a page of another site reads with the cookie",
        22,
        "api/cookies.py",
        'return token if headers.get("sec-fetch-site", "none") in _OWN_SITES else None',
        "return token",
        (f"{_SIGNING_IN}another_sites_page_reads_nothing_with_the_cookie_nor_signs_anybody_in",),
    ),
    Mutant(
        "a stolen cookie makes sessions that outlive it",
        22,
        "sessions/queries.py",
        "UserSession.parent_id.is_(None), *_GOOD",
        "*_GOOD",
        (f"{_SIGNING_IN}a_stolen_cookie_is_worth_nothing_after_signing_out_and_makes_no_more",),
    ),
    Mutant(
        "a browser's session outlives its token's",
        22,
        "sessions/queries.py",
        "end.where(UserSession.parent_id == session_id)",
        "end.where(UserSession.parent_id == UserSession.id)",
        (f"{_SIGNING_IN}the_browsers_session_is_listed_and_ends_with_its_tokens",),
    ),
    Mutant(
        "signing in leads anywhere",
        22,
        "web/entry/signing_in.py",
        'return told if is_own else "/"',
        "return told",
        (f"{_SIGNING_IN}signing_in_leads_to_no_other_site[//evil.example]",),
    ),
    Mutant(
        "markup in names is markup",
        42,
        "web/pages.py",
        "autoescape=True",
        "autoescape=False",
        ("tests/web/test_overview.py::test_an_administrator_sees_everybodys_and_the_house",),
    ),
)
