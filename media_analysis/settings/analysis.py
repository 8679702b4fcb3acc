"""The branch of the tree about what is analysed without being asked for."""

from media_analysis.settings.retention import PerCategory
from media_analysis.settings.section import KindNamesLeaf, Section


class OnUpload(PerCategory[tuple[str, ...]]):
    """The kinds of analysis that run by themselves on a file of this category, once somebody has brought it."""

    uploads: KindNamesLeaf = ()
    frames: KindNamesLeaf = ()
    contact_sheets: KindNamesLeaf = ()
    outputs: KindNamesLeaf = ()
    temp: KindNamesLeaf = ()
    clips: KindNamesLeaf = ()
    archives: KindNamesLeaf = ()


class AnalysisSettings(Section):
    """What is analysed without being asked for."""

    on_upload: OnUpload = OnUpload()
