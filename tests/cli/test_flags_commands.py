"""Feature flags on the command line: seen and switched, whether a server runs or not."""

from support.cli import Cli
from support.database import query


def test_flags_are_listed_and_switched(cli: Cli) -> None:
    before = cli.json("flags", "list")
    assert {flag["name"]: flag["is_enabled"] for flag in before}["enable_variant_b"] is False
    assert cli.text("flags", "set", "enable_variant_b", "on") == "enable_variant_b is on.\n"
    stored = query(cli.database.url, "SELECT name, is_enabled, changed_by FROM feature_flags")
    assert stored == [("enable_variant_b", True, None)]
    after = {flag["name"]: flag for flag in cli.json("flags", "list")}
    assert after["enable_variant_b"]["is_enabled"] is True
    assert after["enable_variant_b"]["changed_at"] is not None
    assert {name for name, flag in after.items() if flag["is_enabled"]} == {"enable_variant_b"}
    assert cli.json("flags", "set", "enable_variant_b", "off")["is_enabled"] is False
    shown = cli.text("flags", "list")
    for flag in before:
        assert flag["name"] in shown


def test_what_is_no_flag_is_refused_with_those_that_are(cli: Cli) -> None:
    said = cli.error("flags", "set", "enable_everything", "on")
    assert "There is no flag 'enable_everything'" in said
    assert "enable_variant_b" in said
    assert cli.run("flags", "set", "enable_variant_b", "perhaps").exit_code == 2
