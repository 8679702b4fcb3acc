"""What keeps a store from being moved."""

from media_analysis.errors.kinds import Conflict


class MoveRefused(Conflict):
    """A store cannot be moved like that, or not now; nothing was changed unless the sentence says so."""

    code = "move_refused"
