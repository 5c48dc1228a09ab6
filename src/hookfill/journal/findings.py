"""What a comparison found, as facts for people and programs (pure)."""

from collections.abc import Mapping, Sequence
from typing import Any

from hookfill.journal.compare import Comparison, Finding, Kind

_TICKER, _NAME, _ID = "Ticker", "Name", "Alert ID"


def summary(found: Comparison) -> dict[str, Any]:
    """The whole in numbers."""
    missing = found.missing
    return {
        "rows": found.log.rows,
        "alerts": found.log.alerts,
        "distinct": len(found.log.fired),
        "arrived": len(found.findings) - len(missing),
        "known_by_event": sum(one.by_event for one in found.findings),
        "missing": len(missing),
        "missing_trades": sum(_kind(one) is Kind.TRADE for one in missing),
        "missing_unreadable": sum(_kind(one) is Kind.UNREADABLE for one in missing),
        "malformed": len(found.malformed),
        "fired_more_often_than_arrived": len(found.incomplete),
        "bad_rows": len(found.log.bad_rows),
    }


def answer(found: Comparison, most: int | None = None) -> dict[str, Any]:
    """All that was found; ``most``: how many of each kind at most."""
    return {
        **summary(found),
        "findings": {
            "missing": [describe(one) for one in found.missing[:most]],
            "malformed": [describe(one) for one in found.malformed[:most]],
            "fired_more_often_than_arrived": [describe(one) for one in found.incomplete[:most]],
            "bad_rows": [{"line": bad.line, "reason": bad.reason} for bad in found.log.bad_rows[:most]],
        },
    }


def describe(finding: Finding) -> dict[str, Any]:
    """One finding."""
    fired, content, arrival = finding.fired, finding.content, finding.arrival
    return {
        "line": fired.line,
        "fired_at": fired.first_at,
        "last_fired_at": fired.last_at,
        "fired": fired.times,
        "arrived": finding.deliveries,
        "kind": content.kind if content is not None else None,
        "trade_id": content.trade_id if content is not None else None,
        "event_type": content.event_type if content is not None else None,
        "alert_id": _label(fired.labels, _ID),
        "alert_name": _label(fired.labels, _NAME),
        "ticker": _label(fired.labels, _TICKER),
        "can_backfill": finding.can_backfill,
        "state": arrival.state if arrival is not None else None,
        "reason": arrival.reason if arrival is not None else None,
        "message_id": arrival.message_id if arrival is not None else None,
        "doors": sorted(arrival.taken_by) if arrival is not None else [],
    }


def advice(found: Comparison, backfilled: bool) -> Sequence[str]:
    """What to do about it, in sentences."""
    missing, told = found.missing, []
    trades = sum(_kind(one) is Kind.TRADE for one in missing)
    unreadable = sum(_kind(one) is Kind.UNREADABLE for one in missing)
    can_backfill = sum(one.can_backfill for one in missing)
    if can_backfill and not backfilled:
        told.append(f"{can_backfill} can be brought in with --backfill.")
    if trades:
        told.append(
            f"{trades} are strategies' alerts: trades are not made after the fact by this. "
            "`hookfill import alerts FILE.csv --strategy NAME` replays a whole log for one strategy."
        )
    if unreadable:
        told.append(f"{unreadable} could not be read by any door: perhaps they were never meant for Hookfill.")
    astray = sum(bool(one.can_backfill and one.deliveries) for one in missing)
    if astray:
        told.append(f"{astray} came to a door where nobody reads them: mend the webhook address in TradingView's alert.")
    if found.malformed:
        told.append(f"{len(found.malformed)} arrived and wait for repair: see `hookfill messages repair`.")
    return told


def _kind(finding: Finding) -> Kind | None:
    return None if finding.content is None else finding.content.kind


def _label(labels: Mapping[str, str], name: str) -> str | None:
    return labels.get(name)
