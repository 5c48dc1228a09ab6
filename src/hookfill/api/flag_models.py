"""What is asked of and answered about feature flags."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import ConfigDict, Field, StrictBool

from hookfill.api.fields import Asked
from hookfill.api.models import Model


class FlagName(StrEnum):
    """The flags there are."""

    ENABLE_VARIANT_B = "enable_variant_b"
    ENABLE_ORB_SPECIALIST = "enable_orb_specialist"
    ENABLE_STRAT_SPECIALIST = "enable_strat_specialist"
    ENABLE_TTM_SPECIALIST = "enable_ttm_specialist"
    ENABLE_SATYLAND_SUB_AGENT = "enable_satyland_sub_agent"


class FlagChange(Asked):
    """A flag, and what it shall be."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "enable_variant_b", "is_enabled": True}]})

    name: FlagName
    is_enabled: StrictBool


class FeatureFlag(Model):
    """A flag as it is now."""

    name: FlagName
    is_enabled: bool = Field(description="Off, unless the owner has switched it on.")
    description: str = Field(description="What it does when it is on.")
    changed_by: UUID | None = Field(
        description="The user who set it as it is; null: never set, or set by `hookfill flags set` on the server's machine."
    )
    changed_at: datetime | None = Field(description="Since when it is as it is, UTC; null: it was never set.")
