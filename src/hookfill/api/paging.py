"""Pages of a list."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Query, Request

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000, description="How many of the newest to leave out.")]
PAGED: dict[str, Any] = {
    "X-Next-Cursor": {"description": "Where the next page begins; absent on the last one.", "schema": {"type": "string"}},
    "Link": {"description": 'The next page\'s path, as `<…>; rel="next"`.', "schema": {"type": "string"}},
}
"""The headers of a page, for the document."""


def next_headers(request: Request, following: object | None) -> dict[str, str]:
    """Where the next page is, for programs and for clients that follow links; ``following``: its cursor, if there is one."""
    if following is None:
        return {}
    cursor = str(following)
    others = "".join(f"{quote(name)}={quote(value)}&" for name, value in request.query_params.multi_items() if name != "cursor")
    return {"X-Next-Cursor": cursor, "Link": f'<{request.url.path}?{others}cursor={cursor}>; rel="next"'}
