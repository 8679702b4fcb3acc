"""Why events cannot be told."""

from media_analysis.errors.kinds import Gone


class EventsEnded(Gone):
    """Some events behind that place have ended before they were read; what is left begins behind `oldest`."""

    code = "events_ended"

    def __init__(self, after: str, *, oldest: str) -> None:
        super().__init__(f"events behind {after} have ended before they were read; go on behind {oldest}")
        self.oldest = oldest
