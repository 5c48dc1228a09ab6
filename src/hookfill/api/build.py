"""Builds the API application."""

import asyncpg
from fastapi import FastAPI


def build_api(pool: asyncpg.Pool, base_url: str, cors_origins: str) -> FastAPI:
    """The API over a pool of connections."""
    return FastAPI(title="Hookfill")
