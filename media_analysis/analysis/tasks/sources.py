"""Sources as tasks go through them: what they are, then their pictures one by one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from media_analysis.analysis.documents import Remark
from media_analysis.analysis.task import Emitter, Source
from media_analysis.analysis.tasks.progress import SharedProgress
from media_analysis.media.facts import MediaKind, ProbeDocument
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.pictures import Picture
from media_analysis.media.probe import probe


@dataclass(kw_only=True, slots=True)
class Examined:
    """A source, what it is, and what is to be said of it beside."""

    index: int
    source: Source
    facts: ProbeDocument
    remarks: list[Remark] = field(default_factory=list)

    @property
    def is_still(self) -> bool:
        """Whether it is one picture that does not move; several pages are none."""
        image = self.facts.image
        return self.facts.kind is MediaKind.IMAGE and image is not None and not image.animated and self.facts.pages == 1

    @property
    def moves(self) -> bool:
        """Whether decoding its pictures takes as long as it lasts."""
        return not self.is_still and self.facts.kind is not MediaKind.AUDIO

    @property
    def name(self) -> str:
        """Its filename, as JSON can hold it."""
        return self.source.filename.encode(errors="replace").decode()

    def remark(self, emitter: Emitter, code: str, detail: str) -> None:
        """Keep a remark and say it."""
        remark = Remark(code=code, detail=f"{self.name}: {detail}")
        self.remarks.append(remark)
        emitter.warn(remark.code, remark.detail)

    def remark_truncation(self, emitter: Emitter) -> None:
        """Say that the file is truncated if it is, unless that was said already."""
        if self.facts.truncated and all(remark.code != "truncated" for remark in self.remarks):
            self.remark(emitter, "truncated", "it ends before what its headers announce")


@dataclass(kw_only=True, slots=True)
class Decoding:
    """The pictures of one source, whose progress is told as they are taken."""

    examined: Examined
    sampling: SamplingOptions
    limits: Limits
    progress: SharedProgress
    expected: int | None = field(default=None, init=False)
    """Pictures in all, where that is known."""

    def pictures(self) -> Iterator[Picture]:
        """Yield pictures in time order; raises what `sample_frames` raises."""
        sampled = sample_frames(
            self.examined.source.path, self.sampling, self.limits, progress=self._count, notice=self._notice
        )
        for given, picture in enumerate(sampled, start=1):
            yield picture
            self.progress.decoding(self.examined.index, self._part(given, picture), done=given, total=self.expected)

    def _part(self, given: int, picture: Picture) -> float:
        duration_seconds = self.examined.facts.duration_seconds
        if self.expected:
            return given / self.expected
        return picture.instant_seconds / duration_seconds if duration_seconds else 0.0

    def _count(self, given: int, expected: int | None) -> None:
        del given
        self.expected = expected

    def _notice(self, code: str, detail: str) -> None:
        self.examined.remark(self.progress.emitter, code, detail)


def examine(sources: Sequence[Source], limits: Limits, progress: SharedProgress) -> Sequence[Examined]:
    """Probe all sources in order."""
    examined: list[Examined] = []
    for index, source in enumerate(sources):
        examined.append(Examined(index=index, source=source, facts=probe(source.path, limits)))
        progress.probing(index + 1, len(sources))
    progress.weigh([each.facts.duration_seconds if each.moves else 0.0 for each in examined])
    return examined
