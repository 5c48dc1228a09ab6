"""Which web pages may call Hookfill from a browser."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware

from hookfill.edge.http import Application

HEADERS = ("Authorization", "Content-Type", "X-API-KEY")
MAX_AGE_SECONDS = 600


def origins_from(setting: str) -> Sequence[str]:
    """The origins that a setting such as ``https://a.example, https://b.example`` names."""
    return [origin.strip().rstrip("/") for origin in setting.split(",") if origin.strip()]


def with_cors(application: Application, setting: str) -> Application:
    """``application`` behind CORS for the origins that the setting names; as it is when it names none.

    Credentials are tokens and keys in headers, never cookies: so ``*`` is harmless, and none are allowed.
    """
    origins = origins_from(setting)
    if not origins:
        return application
    return CORSMiddleware(
        application, allow_origins=origins, allow_methods=("GET", "POST"), allow_headers=HEADERS, max_age=MAX_AGE_SECONDS
    )
