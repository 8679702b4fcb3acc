"""How much room there is beside what runs."""

from media_analysis.worker.slots import Slots

KINDS = ("analyze", "probe")


def test_what_runs_of_one_kind_leaves_less_room_for_every_kind() -> None:
    slots = Slots(2)

    slots.take(1, "analyze")
    beside_one = slots.room(KINDS)
    slots.take(2, "analyze")
    beside_two = slots.room(KINDS)
    slots.release(1)

    assert beside_one == {"analyze": 1, "probe": 1}
    assert beside_two == {}
    assert slots.room(KINDS) == {"analyze": 1, "probe": 1}


def test_a_kind_has_no_more_room_than_it_is_given() -> None:
    slots = Slots(4, {"analyze": 1})

    slots.take(1, "analyze")

    assert slots.room(KINDS) == {"probe": 3}
