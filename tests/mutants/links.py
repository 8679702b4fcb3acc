"""Bugs in where the service stands, and in what leads there without a token."""

from tests.mutants.mutant import Mutant

PLACE = "tests/api/test_place.py"
MUTANTS = (
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
)
