"""Passwords: which match, what is stored, and that checking them lets everything else go on."""

import asyncio
import threading

import pytest

from hookfill.accounts import passwords
from hookfill.accounts.passwords import Passwords, TooBusy


@pytest.fixture
def quick() -> Passwords:
    return Passwords(passes=1, memory_kib=64)


@pytest.mark.parametrize(
    ("given", "is_right"),
    [("correct horse", True), ("correct horse ", False), ("Correct horse", False), ("", False), ("x" * 256, False)],
)
async def test_only_the_password_matches(quick: Passwords, given: str, is_right: bool) -> None:
    assert await quick.verify(await quick.hash("correct horse"), given) is is_right


async def test_a_letter_matches_however_the_keyboard_composes_it(quick: Passwords) -> None:
    assert await quick.verify(await quick.hash("Zu\u0308rich-\ufb01sh"), "Z\u00fcrich-fish")


async def test_what_is_stored_is_argon2id_with_a_salt_of_its_own(quick: Passwords) -> None:
    first, second = await quick.hash("correct horse"), await quick.hash("correct horse")
    assert first.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert first != second
    assert "horse" not in first


def test_the_costs_in_force_are_those_of_the_rfc() -> None:
    default = Passwords()
    assert not default.is_outdated("$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$" + "A" * 43)
    assert default.is_outdated("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$" + "A" * 43)


async def test_without_a_user_the_same_work_is_done(quick: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    real = quick._hasher.verify

    def note(stored: str, password: str) -> bool:
        checked.append(stored)
        return bool(real(stored, password))

    monkeypatch.setattr(quick, "_hasher", type("Hasher", (), {"verify": staticmethod(note)}))
    assert not await quick.verify(None, "correct horse")
    [stored] = checked
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert not Passwords(passes=1, memory_kib=64).is_outdated(stored)


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$v=19$m=64,t=1,p=1$", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_a_stored_text_that_is_no_hash_matches_nothing(quick: Passwords, stored: str) -> None:
    assert not await quick.verify(stored, stored)


async def test_hashes_wait_in_a_bounded_line_and_not_in_the_event_loop(quick: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MOST_WAITING", 3)
    go_on, running, most = threading.Event(), [], 0

    def work(*_: object) -> bool:
        nonlocal most
        running.append(1)
        most = max(most, len(running))
        go_on.wait(60)
        running.pop()
        return True

    monkeypatch.setattr(quick, "_matches", work)
    waiting = [asyncio.create_task(quick.verify("", "")) for _ in range(3)]
    await asyncio.sleep(0)  # they stand in line, and this goes on
    with pytest.raises(TooBusy, match="try again"):
        await quick.verify("", "")
    go_on.set()
    assert await asyncio.gather(*waiting) == [True] * 3
    assert most == 1
    assert await quick.verify("", "")
