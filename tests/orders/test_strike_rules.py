import pytest

from hookfill.kernel.errors import ConfigurationError
from hookfill.orders.strikes import OptionRules, Rule, Tier, Trade, options_from


@pytest.mark.parametrize(
    ("section", "rules"),
    [
        (None, OptionRules()),
        ({}, OptionRules(Trade.ASKED, Rule.DEFAULT, None, 5)),
        ({"trade": "always"}, OptionRules(Trade.ALWAYS)),
        ({"trade": "asked", "rule": "default", "max_hold_days": 0}, OptionRules(max_hold_days=0)),
        ({"max_hold_days": 365}, OptionRules(max_hold_days=365)),
        ({"rule": "tier", "tier": "SCALP_GUARDED"}, OptionRules(rule=Rule.TIER, tier=Tier.SCALP_GUARDED)),
        ({"trade": "always", "rule": "tier", "tier": "LEAPS"}, OptionRules(Trade.ALWAYS, Rule.TIER, Tier.LEAPS)),
        ({"trade": None, "rule": None, "tier": None, "max_hold_days": None}, OptionRules()),
    ],
)
def test_sections_that_are_understood(section: object, rules: OptionRules) -> None:
    assert options_from(section) == rules


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ([], "must be an object"),
        ({"strike": 500}, "no setting 'strike'"),
        ({"trade": "sometimes"}, "asked, always"),
        ({"trade": True}, "asked, always"),
        ({"rule": "TIER"}, "default, tier"),
        ({"rule": "tier"}, "needs options.tier"),
        ({"tier": "SWING"}, "no effect with the default rule"),
        ({"rule": "tier", "tier": "swing"}, "SCALP_GUARDED, SWING"),
        ({"rule": "tier", "tier": "SWING", "max_hold_days": 3}, "no effect with rule tier"),
        ({"max_hold_days": -1}, "0 to 365"),
        ({"max_hold_days": 366}, "0 to 365"),
        ({"max_hold_days": 2.5}, "whole number"),
        ({"max_hold_days": "5"}, "whole number"),
        ({"max_hold_days": True}, "whole number"),
    ],
)
def test_sections_that_are_refused(section: object, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        options_from(section)


def test_the_days_to_hold_where_the_section_names_none() -> None:
    assert options_from({}, default_hold_days=9).max_hold_days == 9
    assert options_from({"max_hold_days": 2}, default_hold_days=9).max_hold_days == 2
