"""Logging: one set-up for structlog and for whatever logs through the standard library (the web server, asyncio, warnings).

Lines go to standard error: readable ones on a terminal, JSON elsewhere. What a stranger may have sent is made inert, and what looks
like a secret is masked before a line is written.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from hookfill.kernel.text import visible

MASK = "***"
_SECRET_NAMES = ("secret", "token", "password", "passphrase", "api_key", "authorization", "signature")
_SECRET_TEXTS = (
    re.compile(r"(/webhooks/tv/)[^/\s?\"']+"),
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),
    re.compile(r"(?i)(bearer\s+)[^\s\"']+"),
)
_MOST_PASSAGES = 4


def configure(level: str, *, is_terminal: bool) -> None:
    """Set logging up for this process; calling it again replaces the set-up.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``: what is less grave is left out.
        is_terminal: readable lines instead of JSON.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        make_safe,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=True) if is_terminal else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[handler], force=True)
    logging.captureWarnings(True)


def make_safe(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """A structlog processor: masks secrets by their key or look, and shows control characters instead of sending them."""
    return {key: _safe_value(key, value, 0) for key, value in event.items()}


def _safe_value(key: object, value: Any, depth: int) -> Any:
    if any(name in str(key).lower() for name in _SECRET_NAMES) and isinstance(value, str | bytes):
        return MASK
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return _safe_text(value)
    if depth < _MOST_PASSAGES and isinstance(value, dict):
        return {_safe_value("", name, depth + 1): _safe_value(name, entry, depth + 1) for name, entry in value.items()}
    if depth < _MOST_PASSAGES and isinstance(value, list | tuple):
        return [_safe_value(key, entry, depth + 1) for entry in value]
    if isinstance(value, int | float | bool) or value is None or str(key).startswith("_"):
        return value
    return _safe_text(str(value))


def masked(text: str) -> str:
    """A text without what looks like a secret, its control characters shown."""
    return _safe_text(text)


def _safe_text(text: str) -> str:
    for pattern in _SECRET_TEXTS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return visible(text, keep_lines=True)
