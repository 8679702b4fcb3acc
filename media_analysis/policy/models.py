"""The policy in force, a row a category."""

from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.columns import CATEGORY
from media_analysis.db.base import Base
from media_analysis.storage.category import Category


class CategoryPolicy(Base):
    """The policy in force for one category; uploads and sweeps read it here, so that all processes agree."""

    __tablename__ = "category_policies"

    category: Mapped[Category] = mapped_column(CATEGORY, primary_key=True)
    lifetime_seconds: Mapped[float | None]
    minimum_seconds: Mapped[float | None]
    quota_bytes: Mapped[int | None]
    owner_quota_bytes: Mapped[int | None]
    """What one owner may use of it; NULL is as much as there is."""
    high_water_bytes: Mapped[int | None]
    low_water_bytes: Mapped[int | None]
    eviction_priority: Mapped[int | None]
    """Lowest goes first; NULL is never evicted."""
    schedule: Mapped[str]
