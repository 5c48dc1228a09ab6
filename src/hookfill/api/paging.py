"""Pages of a list."""

from typing import Annotated

from fastapi import Query

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000, description="How many of the newest to leave out.")]
