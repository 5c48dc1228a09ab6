"""Every reason for which something was refused, as one table: code, meaning, and what the user can do.

The codes are stored with the rows and shown by the API; the texts are shown to people. ``docs/reference/reasons.md`` is generated
from this table.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """The code of a refusal."""

    # Messages that can't be read or trusted.
    BODY_EMPTY = "body_empty"
    BODY_TOO_LARGE = "body_too_large"
    BODY_INCOMPLETE = "body_incomplete"
    JSON_INVALID = "json_invalid"
    ENCODING_INVALID = "encoding_invalid"
    PAYLOAD_INVALID = "payload_invalid"
    SIGNATURE_INVALID = "signature_invalid"
    API_KEY_INVALID = "api_key_invalid"
    TOKEN_INVALID = "token_invalid"  # noqa: S105 - the code of a reason
    # Alerts that can be read but not used.
    ALERT_NOT_OBJECT = "alert_not_object"
    TEXT_UNUSABLE = "text_unusable"
    SYMBOL_MISSING = "symbol_missing"
    SYMBOL_INVALID = "symbol_invalid"
    ACTION_MISSING = "action_missing"
    ACTION_UNKNOWN = "action_unknown"
    ACTION_CONTRADICTORY = "action_contradictory"
    NUMBER_INVALID = "number_invalid"
    TIME_INVALID = "time_invalid"
    PLACEHOLDER_UNFILLED = "placeholder_unfilled"
    ORDER_TYPE_UNSUPPORTED = "order_type_unsupported"
    # Indicator telemetry that can be read but not used.
    TRADE_ID_MISSING = "trade_id_missing"
    TRADE_ID_INVALID = "trade_id_invalid"
    EVENT_TYPE_MISSING = "event_type_missing"
    EVENT_TYPE_UNKNOWN = "event_type_unknown"
    EXIT_REASON_UNKNOWN = "exit_reason_unknown"
    JOURNAL_FAILED = "journal_failed"
    # Gates before any engine.
    STRATEGY_DISABLED = "strategy_disabled"
    STRATEGY_MISSING = "strategy_missing"
    HALTED = "halted"
    SIGNAL_STALE = "signal_stale"
    DAILY_LOSS_LIMIT_REACHED = "daily_loss_limit_reached"
    HISTORY_OUT_OF_ORDER = "history_out_of_order"
    # Engines.
    ENGINE_TREND = "engine_trend"
    ENGINE_VOLATILITY = "engine_volatility"
    ENGINE_CONFLUENCE = "engine_confluence"
    CANDLES_MISSING = "candles_missing"
    COUNCIL_BLOCKED = "council_blocked"
    COUNCIL_NEUTRAL = "council_neutral"
    COUNCIL_DISAGREES = "council_disagrees"
    COUNCIL_UNSURE = "council_unsure"
    # Risk checks.
    MARKET_CLOSED = "market_closed"
    OUTSIDE_TRADING_WINDOW = "outside_trading_window"
    PRICE_MISSING = "price_missing"
    PRICE_STALE = "price_stale"
    PAIR_NOT_ALLOWED = "pair_not_allowed"
    PRICE_COLLAR = "price_collar"
    ORDER_RATE_EXCEEDED = "order_rate_exceeded"
    MAX_OPEN_POSITIONS_EXCEEDED = "max_open_positions_exceeded"
    MAX_POSITIONS_PER_SYMBOL_EXCEEDED = "max_positions_per_symbol_exceeded"
    MAX_POSITION_SIZE_EXCEEDED = "max_position_size_exceeded"
    MAX_EXPOSURE_EXCEEDED = "max_exposure_exceeded"
    INSUFFICIENT_BUYING_POWER = "insufficient_buying_power"
    CURRENCY_UNSUPPORTED = "currency_unsupported"
    OPTION_CHAIN_MISSING = "option_chain_missing"
    OPTION_NOT_LISTED = "option_not_listed"
    OPTION_OUT_OF_BOUNDS = "option_out_of_bounds"
    # Sizing and position policy.
    SIZE_TOO_SMALL = "size_too_small"
    STOP_REQUIRED = "stop_required"
    STOP_WRONG_SIDE = "stop_wrong_side"
    TARGET_WRONG_SIDE = "target_wrong_side"
    PYRAMIDING_LIMIT = "pyramiding_limit"
    OPPOSITE_IGNORED = "opposite_ignored"
    NO_POSITION = "no_position"
    ALREADY_AT_TARGET = "already_at_target"
    # Brokers.
    JOB_EXPIRED = "job_expired"
    JOB_CANCELLED = "job_cancelled"
    ORDER_EXPIRED = "order_expired"
    ORDER_CANCELLED = "order_cancelled"
    BROKER_REJECTED = "broker_rejected"
    BROKER_UNSUPPORTED = "broker_unsupported"
    BROKER_NOT_RECONCILED = "broker_not_reconciled"
    # Exports.
    ROW_NOT_OBJECT = "row_not_object"
    FIELD_MISSING = "field_missing"
    FIELD_INVALID = "field_invalid"
    WRONG_EVENT_TYPE = "wrong_event_type"
    BATCH_INVALID = "batch_invalid"
    # Handling.
    DEAD_LETTERED = "dead_lettered"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a reason says and what the user can do about it."""

    says: str
    remedy: str


MEANINGS: dict[Reason, Meaning] = {
    Reason.BODY_EMPTY: Meaning("The message has no body.", "Put the alert text into TradingView's Message box."),
    Reason.BODY_TOO_LARGE: Meaning("The body is larger than this door accepts.", "Send less in one message."),
    Reason.BODY_INCOMPLETE: Meaning("The sender did not deliver the whole body in time.", "Send the message again."),
    Reason.JSON_INVALID: Meaning("The body looks like JSON but is not.", "Mend the message; it is kept and can be sent on later."),
    Reason.ENCODING_INVALID: Meaning("The body is not clean UTF-8 text.", "Send UTF-8 without NUL characters."),
    Reason.PAYLOAD_INVALID: Meaning("The body is JSON but lacks what this door needs.", "See the named fields."),
    Reason.SIGNATURE_INVALID: Meaning(
        "Neither a valid signature nor the right secret came with the message.",
        "Sign the raw body with HMAC_SECRET, or put the secret into the body.",
    ),
    Reason.API_KEY_INVALID: Meaning(
        "The API key is missing or wrong.", "Send the key that `hookfill token` shows, or an API key with the scope candles."
    ),
    Reason.TOKEN_INVALID: Meaning(
        "The door's token is missing or wrong.",
        "Put ?token=… behind the URL, with what TELEMETRY_TOKEN or INDICATOR_EXPORT_TOKEN is set to.",
    ),
    Reason.ALERT_NOT_OBJECT: Meaning("The alert is JSON but no object.", 'Send an object such as {"symbol": …, "action": …}.'),
    Reason.TEXT_UNUSABLE: Meaning("The alert's text names no action and symbol.", "Write, for example, `buy EURUSD 0.1`."),
    Reason.SYMBOL_MISSING: Meaning("The alert names no symbol.", "Add symbol or ticker to the message."),
    Reason.SYMBOL_INVALID: Meaning("The symbol is no usable name.", "Use 1 to 32 letters, digits and . _ - : / ! characters."),
    Reason.ACTION_MISSING: Meaning("The alert names no action.", "Add action: buy, sell or close, or market_position."),
    Reason.ACTION_UNKNOWN: Meaning("The action is not known.", "Use buy, sell or close."),
    Reason.ACTION_CONTRADICTORY: Meaning("Two fields ask for opposite things.", "Send one of them, or make them agree."),
    Reason.NUMBER_INVALID: Meaning("A number is not finite, not positive or out of bounds.", "Mend the named field."),
    Reason.TIME_INVALID: Meaning("A time can't be read.", "Send ISO 8601 with a zone, or Unix seconds or milliseconds."),
    Reason.PLACEHOLDER_UNFILLED: Meaning(
        "A TradingView placeholder was not filled in.", "Placeholders work in the Message box, not inside Pine's alert()."
    ),
    Reason.ORDER_TYPE_UNSUPPORTED: Meaning(
        "This kind of order is not taken here.", "Send a market order, or a limit or stop entry at a paper account."
    ),
    Reason.TRADE_ID_MISSING: Meaning("The telemetry names no trade.", "Add trade_id, or signal_id, as text."),
    Reason.TRADE_ID_INVALID: Meaning("The trade's id is too long.", "Use at most 100 characters."),
    Reason.EVENT_TYPE_MISSING: Meaning("The telemetry does not say what happened.", "Add event_type, such as ENTRY."),
    Reason.EVENT_TYPE_UNKNOWN: Meaning(
        "What the telemetry says happened is not known.", "Send one of the event types that the error names."
    ),
    Reason.EXIT_REASON_UNKNOWN: Meaning(
        "The trade ended, but how is not told.", "Add exit_reason: break_even, stop_loss or take_profit."
    ),
    Reason.JOURNAL_FAILED: Meaning("Taking the telemetry into the journal failed repeatedly.", "Read its traceback and report it."),
    Reason.STRATEGY_DISABLED: Meaning("The strategy is switched off.", "Enable the strategy to trade its alerts."),
    Reason.STRATEGY_MISSING: Meaning("The strategy was deleted.", "Create a strategy and use its new webhook URL."),
    Reason.HALTED: Meaning("Trading is halted here.", "Resume it with `hookfill resume` when you are sure."),
    Reason.SIGNAL_STALE: Meaning("The alert is older than allowed.", "Raise max_signal_age_seconds or find out what delayed it."),
    Reason.DAILY_LOSS_LIMIT_REACHED: Meaning(
        "Today's realised loss reached the limit.", "Entries resume after the account's midnight."
    ),
    Reason.HISTORY_OUT_OF_ORDER: Meaning(
        "The account has already traded at a later time.", "Import history into an account of its own."
    ),
    Reason.ENGINE_TREND: Meaning("The trend filter disagrees with the alert.", "See the indicator values in the signal's story."),
    Reason.ENGINE_VOLATILITY: Meaning(
        "Volatility is outside the strategy's bounds.", "See the indicator values in the signal's story."
    ),
    Reason.ENGINE_CONFLUENCE: Meaning("Too few indicators agree with the alert.", "See the votes in the signal's story."),
    Reason.CANDLES_MISSING: Meaning(
        "The engine's filters need more candles than are stored.", "Push or import candles for the symbol."
    ),
    Reason.COUNCIL_BLOCKED: Meaning("An agent of the council forbids the trade.", "See the opinions in the signal's story."),
    Reason.COUNCIL_NEUTRAL: Meaning(
        "The council leans to neither side.", "See the opinions in the signal's story; more specialists can be enabled."
    ),
    Reason.COUNCIL_DISAGREES: Meaning("The council leans to the other side.", "See the opinions in the signal's story."),
    Reason.COUNCIL_UNSURE: Meaning(
        "The council agrees, but with too little confidence.", "See the opinions in the signal's story."
    ),
    Reason.MARKET_CLOSED: Meaning("The instrument's market is closed.", "Wait for the open, or allow extended hours."),
    Reason.OUTSIDE_TRADING_WINDOW: Meaning(
        "The strategy does not enter at this time.", "Wait for its next trading window, or change its windows."
    ),
    Reason.PRICE_MISSING: Meaning("No price is known for the symbol.", "Push candles, or put the price into the alert."),
    Reason.PRICE_STALE: Meaning("The last known price is too old.", "Push candles, or put the price into the alert."),
    Reason.PAIR_NOT_ALLOWED: Meaning("The strategy may not trade this symbol.", "Add it to allowed_pairs."),
    Reason.PRICE_COLLAR: Meaning("The alert's price is too far from the market's.", "Check the symbol and the price feed."),
    Reason.ORDER_RATE_EXCEEDED: Meaning(
        "The strategy ordered too often within a minute and has halted itself.", "Check the alert, then `hookfill resume`."
    ),
    Reason.MAX_OPEN_POSITIONS_EXCEEDED: Meaning(
        "The account has as many open positions as allowed.", "Close one or raise the limit."
    ),
    Reason.MAX_POSITIONS_PER_SYMBOL_EXCEEDED: Meaning(
        "The symbol has as many positions as allowed.", "Close one or raise the limit."
    ),
    Reason.MAX_POSITION_SIZE_EXCEEDED: Meaning("The position would be larger than allowed.", "Ask for less or raise the limit."),
    Reason.MAX_EXPOSURE_EXCEEDED: Meaning("The capital at risk would exceed the limit.", "Ask for less or raise the limit."),
    Reason.INSUFFICIENT_BUYING_POWER: Meaning("The account can't pay for the order.", "Ask for less or add cash."),
    Reason.CURRENCY_UNSUPPORTED: Meaning(
        "No rate is known between the instrument's currency and the account's.", "Push candles of a pair of the two currencies."
    ),
    Reason.OPTION_CHAIN_MISSING: Meaning(
        "The alert asks for an option and there is no option chain.",
        "Push candles of the underlying, so that a chain can be made; or send long or short instead.",
    ),
    Reason.OPTION_NOT_LISTED: Meaning(
        "No listed contract has the strike and expiration that are asked for.", "See the candidates in the signal's story."
    ),
    Reason.OPTION_OUT_OF_BOUNDS: Meaning(
        "No contract lies within the bounds of the strategy's tier.", "See the candidates' figures in the signal's story."
    ),
    Reason.SIZE_TOO_SMALL: Meaning("The size rounds down to less than the smallest order.", "Ask for more."),
    Reason.STOP_REQUIRED: Meaning(
        "Sizing or an exit rule by risk needs a stop.", "Put sl into the alert, or give the strategy a stop rule."
    ),
    Reason.STOP_WRONG_SIDE: Meaning(
        "The stop lies on the wrong side of the price.", "A long position's stop lies below its price."
    ),
    Reason.TARGET_WRONG_SIDE: Meaning(
        "The target lies on the wrong side of the price.", "A long position's target lies above its price."
    ),
    Reason.PYRAMIDING_LIMIT: Meaning("The position has as many entries as the strategy allows.", "Raise pyramiding to add to it."),
    Reason.OPPOSITE_IGNORED: Meaning(
        "The strategy ignores alerts against its open position.", "Set on_opposite to close or reverse."
    ),
    Reason.NO_POSITION: Meaning("There is no position to close.", "Nothing to do: the account is flat."),
    Reason.ALREADY_AT_TARGET: Meaning("The position is what the alert asks for already.", "Nothing to do."),
    Reason.JOB_EXPIRED: Meaning(
        "The order was not begun in time.", "See that the account's agent is online and its terminal connected."
    ),
    Reason.JOB_CANCELLED: Meaning("The order was cancelled before it was begun.", "Send the alert again if you still want it."),
    Reason.ORDER_EXPIRED: Meaning(
        "The market did not reach the order's price in time.", "Send it with time_in_force gtc to let it wait for longer."
    ),
    Reason.ORDER_CANCELLED: Meaning("The order was cancelled before it was filled.", "Send the alert again if you still want it."),
    Reason.BROKER_REJECTED: Meaning("The broker did not fill the order.", "See the broker's answer and the terminal's journal."),
    Reason.BROKER_UNSUPPORTED: Meaning(
        "The account's broker does not trade this.", "Trade it in a paper account, or at a broker that has it."
    ),
    Reason.BROKER_NOT_RECONCILED: Meaning(
        "The account has not been compared with its broker since the worker started, or the two disagree.",
        "See the account's differences and alarms; exits go through meanwhile.",
    ),
    Reason.ROW_NOT_OBJECT: Meaning("A row of the export is no object.", "Send one object for each signal."),
    Reason.FIELD_MISSING: Meaning("A required field of the row is missing.", "Let the indicator fill the named field."),
    Reason.FIELD_INVALID: Meaning("A field of the row can't be read.", "Mend the named field."),
    Reason.WRONG_EVENT_TYPE: Meaning(
        "The batch is of another kind than this import takes.",
        "INDICATOR_EXPORT_V2 goes to /api/indicator-export/import, ALL_SIGNALS_EXPORT to /api/all-signals/import.",
    ),
    Reason.BATCH_INVALID: Meaning("The batch's envelope is invalid.", "See its validation_error, and export it again."),
    Reason.DEAD_LETTERED: Meaning("Handling the signal failed repeatedly.", "Read the traceback in its story and report it."),
}


def explain(reason: Reason, detail: str = "") -> str:
    """The text that goes with a refusal: what it means, the figures if any, what to do."""
    meaning = MEANINGS[reason]
    figures = f" ({detail})" if detail else ""
    return f"{meaning.says.rstrip('.')}{figures}. {meaning.remedy}"
