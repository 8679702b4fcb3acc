"""Bugs in what webhooks are told, and in whom the service asks."""

from tests.mutants.mutant import Mutant

_DELIVERIES = "tests/webhooks/test_deliveries.py"
_ADDRESSES = "tests/outbound/test_addresses.py"

MUTANTS = (
    Mutant(
        "the next event of a file does not wait for the one before",
        41,
        "webhooks/delivering.py",
        "AND earlier.position < due.position AND earlier.due_at IS NOT NULL",
        "AND earlier.position < due.position AND false",
        (f"{_DELIVERIES}::test_what_is_not_taken_comes_again_with_the_same_id_and_in_the_order_of_its_file",),
    ),
    Mutant(
        "one private answer of several is passed over",
        30,
        "outbound/addresses.py",
        "not all(map(is_public, addresses))",
        "not any(map(is_public, addresses))",
        (f"{_ADDRESSES}::test_each_of_several_answers_has_to_be_allowed",),
    ),
    Mutant(
        "a name is not looked at when it is resolved",
        30,
        "outbound/addresses.py",
        """            addresses = await look_up(self.resolver, target.host, target.port)
        self._require(target, addresses)
""",
        """            addresses = await look_up(self.resolver, target.host, target.port)
""",
        (f"{_ADDRESSES}::test_other_names_of_this_machine_are_found_out_when_they_are_resolved",),
    ),
    Mutant(
        "a webhook is told of what happened before it was made",
        41,
        "webhooks/fan_out.py",
        "event.place.logged > self.after_event",
        "event.place.logged > 0",
        (f"{_DELIVERIES}::test_what_is_disabled_is_not_told_what_happened_meanwhile",),
    ),
    Mutant(
        "the place moves before the deliveries are written",
        41,
        "webhooks/fan_out.py",
        """            await self._add(session, deliveries, place.source)
            failpoint("webhook.fanning_out")
""",
        """            failpoint("webhook.fanning_out")
""",
        (f"{_DELIVERIES}::test_an_event_arrives_as_a_signed_cloud_event",),
    ),
)
