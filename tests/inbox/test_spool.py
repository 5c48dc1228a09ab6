"""The spool: what is written comes back whole and in order; what is left of a crash does no harm."""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.inbox.model import Delivery, NewSignal
from hookfill.inbox.spool import Spool, SpoolFull
from hookfill.kernel.ids import new_id

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
maybe_texts = st.none() | texts
moments = st.datetimes(timezones=st.just(UTC))
new_signals = st.builds(NewSignal, st.uuids(), st.none() | st.uuids(), maybe_texts, st.none() | st.integers(0, 100))
deliveries = st.builds(
    Delivery,
    account_id=st.uuids(),
    message_id=st.uuids(),
    door=texts,
    body=st.binary(max_size=200),
    received_at=moments,
    as_of=moments,
    seen_us=st.integers(-(1 << 60), 1 << 60),
    headers=texts,
    content_type=maybe_texts,
    strategy_id=st.none() | st.uuids(),
    source=texts,
    state=texts,
    reason=maybe_texts,
    error=maybe_texts,
    gate_key=st.none() | st.binary(max_size=40),
    signal=st.none() | new_signals,
    repaired_body=st.none() | st.binary(max_size=200),
    repaired_by=maybe_texts,
)


@given(st.lists(st.lists(deliveries, min_size=1, max_size=4), max_size=4))
def test_batches_come_back_whole_and_in_order(batches: list[list[Delivery]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool")
        assert spool.is_empty()
        for batch in batches:
            spool.write(batch)
        again = Spool(Path(folder) / "spool")
        found = list(again.batches())
        assert [batch for _, batch in found] == batches
        for path, _ in found:
            assert not again.is_empty()
            again.remove(path)
        assert again.is_empty()


def a_delivery(body: bytes = b"x") -> Delivery:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    return Delivery(new_id(), new_id(), "tradingview", body, now, now, 0)


def test_batches_of_before_repairs_were_known_are_read(tmp_path: Path) -> None:
    spool, delivery = Spool(tmp_path), a_delivery()
    spool.write([delivery])
    (path,) = tmp_path.glob("*.batch")
    entries = json.loads(path.read_text())
    for name in ("repaired_body", "repaired_by"):
        assert entries[0].pop(name) is None
    path.write_text(json.dumps(entries))
    assert [batch for _, batch in spool.batches()] == [[delivery]]


def test_half_a_batch_of_a_crash_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "0199-crash.draft").write_bytes(b'[{"account_id"')
    spool = Spool(tmp_path)
    assert spool.is_empty()
    spool.write([a_delivery()])
    assert len(list(spool.batches())) == 1


def test_it_is_private(tmp_path: Path) -> None:
    Spool(tmp_path / "spool")
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700


def test_when_it_is_full_nothing_more_goes_in_until_something_went_out(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=4_000)
    for _ in range(2):
        spool.write([a_delivery(b"x" * 900)])
    with pytest.raises(SpoolFull, match="HOOKFILL_SPOOL_MAX_BYTES"):
        spool.write([a_delivery(b"x" * 900)])
    with pytest.raises(SpoolFull):  # what lies there counts after a restart, too
        Spool(tmp_path, max_bytes=4_000).write([a_delivery(b"x" * 900)])
    spool.remove(next(spool.batches())[0])
    spool.write([a_delivery(b"x" * 900)])
    assert len(list(spool.batches())) == 2


def test_a_disk_that_refuses_is_a_full_spool_and_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hookfill.inbox.spool.os.fsync", no_space)
    with pytest.raises(SpoolFull, match="No space left"):
        spool.write([a_delivery()])
    assert not list(tmp_path.iterdir())


def test_a_batch_that_another_process_has_taken_is_passed_over(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for _ in range(3):
        spool.write([a_delivery()])
    batches = spool.batches()
    first, _ = next(batches)
    second = sorted(tmp_path.glob("*.batch"))[1]
    second.unlink()
    assert len(list(batches)) == 1
    spool.remove(first)
    spool.remove(second)


@pytest.mark.parametrize("damage", [b"", b"[{", b"\xff\xfe", b'[{"account_id": 1}]', b"null"])
def test_a_damaged_batch_is_set_aside_and_holds_up_no_other(tmp_path: Path, damage: bytes) -> None:
    spool = Spool(tmp_path)
    kept = [a_delivery(b"one"), a_delivery(b"two"), a_delivery(b"three")]
    for delivery in kept:
        spool.write([delivery])
    sorted(tmp_path.glob("*.batch"))[1].write_bytes(damage)
    found = list(spool.batches())
    assert [batch for _, batch in found] == [[kept[0]], [kept[2]]]
    for path, _ in found:
        spool.remove(path)
    assert spool.is_empty()
    assert [path.read_bytes() for path in tmp_path.glob("*.damaged")] == [damage]
