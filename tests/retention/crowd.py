"""Who loses files for want of room, said a second time in plain Python."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from media_analysis.storage.category import Category
from tests.retention.modelled import File, Rules


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """The files of one category."""

    rules: Rules
    files: Sequence[File]
    may_go: Callable[[File], bool]
    is_expired: Callable[[File], bool]

    def choose(self, wanted: int, *, asking: str | None, size: int) -> list[File]:
        """Return who goes for so many bytes: all that could, if that is not enough."""
        held: dict[str, int] = defaultdict(int)
        for file in self.files:
            held[file.owner] += file.size
        after = held[asking] + size if asking is not None else 0
        losers = {owner for owner, has in held.items() if asking in {None, owner} or has >= after}
        if asking is not None:
            held[asking] = after
        gone: list[File] = []
        for of_owners, of_all in self._queues(losers):
            share = self.rules.quota // max(1, sum(has > 0 for has in held.values()))
            while sum(file.size for file in gone) < wanted:
                greatest = sorted((owner for owner in held if held[owner] > share), key=lambda one: (-held[one], one))
                owned = [file for owner in greatest for file in of_owners if file.owner == owner and file not in gone]
                left = owned or [file for file in of_all if file not in gone]
                if not left:
                    break
                gone.append(left[0])
                held[left[0].owner] -= left[0].size
        return gone

    def _queues(self, losers: Collection[str]) -> Iterator[tuple[list[File], list[File]]]:
        """Yield what may go, trash before what is stored: of whom has more than a share, and of everybody."""
        mine = sorted(
            (file for file in self.files if file.owner in losers and self.may_go(file)), key=lambda one: one.id
        )
        trash = sorted(((file.trash.at, file.id, file) for file in mine if file.trash), key=lambda entry: entry[:2])
        thrown = [file for *_, file in trash]
        yield thrown, thrown
        if self.rules.evicted:
            stored = [file for file in mine if not file.trash and (file.ends_at is not None or not file.explicit)]
            scratch = bool(stored) and stored[0].category is Category.TEMP
            oldest = sorted(stored, key=lambda file: (file.explicit and not scratch, file.id))
            yield oldest, [file for file in oldest if scratch or not file.explicit or self.is_expired(file)]
