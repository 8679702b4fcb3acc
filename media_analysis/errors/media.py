"""Why media cannot be analysed; none of it passes by trying again."""

from media_analysis.errors.kinds import Invalid, TooLarge, Unsupported


class UnsupportedMedia(Unsupported):
    """No decoder here reads it, or its container may not be opened."""

    code = "unsupported_media"


class CorruptMedia(Invalid):
    """Nothing of it can be decoded."""

    code = "corrupt_media"


class NoPictures(Invalid):
    """It holds no pictures, and pictures were asked for."""

    code = "no_pictures"


class NoSuchPage(Invalid):
    """A page was asked for that is not there."""

    code = "no_such_page"


class InstantPastEnd(Invalid):
    """A picture was asked for that is shown when the film is over."""

    code = "instant_past_end"

    def __init__(self, *, end_seconds: float) -> None:
        super().__init__(f"what is shown ends at {end_seconds:.9g} seconds")
        self.end_seconds = end_seconds


class MediaLimitPassed(TooLarge):
    """It is more than may be decoded here; nothing of it was."""

    code = "media_limit_passed"

    def __init__(self, what: str, *, found: float, allowed: float) -> None:
        super().__init__(f"{found:,.6g} {what.replace('_', ' ')} are more than the {allowed:,.6g} allowed")
        self.what = what
        self.found = found
        self.allowed = allowed
