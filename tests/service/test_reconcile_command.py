"""`motma reconcile`: a provider's list and our messages, compared both ways."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from channels.agency_api.table_files import open_table
from database.pool import Database
from domain.errors import Invalid, Malformed
from domain.message import DeliveryState
from lookup.sealing import Seal
from notifications.reconciliation import Finding
from service.commands.progress import Progress
from service.commands.reconcile import Comparing, Reading, pairs, say, time_of
from service.provider_simulator.faults import Faults
from service.provider_simulator.provider import SENDSMS, open_provider
from tests.cache.waiting import until

SEND = """
    INSERT INTO message (expires_at, kind, channel, contact_digest, address_sealed, route, provider_id, state, dong,
                         handed_over_at, settled_at)
    VALUES (now(), 'reply', 'sms', '', '', 'line', $1, $2, 350, $3, $3) RETURNING id"""
AT = time_of("2026-11-22T08:00:00")


@pytest.fixture
async def sent(database_url: str, database: Database, seal: Seal) -> list[int]:
    """Five messages, a minute apart: delivered, delivered, under way, delivered, in doubt."""
    assert AT is not None
    owner = await asyncpg.connect(database_url)
    states = (DeliveryState.DELIVERED, DeliveryState.DELIVERED, DeliveryState.HANDED_OVER, DeliveryState.DELIVERED)
    ids = [await owner.fetchval(SEND, f"p{n}", int(state), AT + timedelta(minutes=n)) for n, state in enumerate(states)]
    ids.append(await owner.fetchval(SEND, None, int(DeliveryState.IN_DOUBT), None))
    await owner.close()
    return ids


async def compared(
    database: Database, path: Path, reading: Reading | None = None, *, apply: bool = False
) -> tuple[Comparing, list[list[str]]]:
    table_of_differences = io.StringIO()
    with open_table(path) as table:
        comparing = Comparing(database, "line", csv.writer(table_of_differences), apply=apply)
        covered = time_of("2026-11-22T00:00:00"), time_of("2026-11-23T00:00:00")
        await comparing.compare(table, reading or Reading({}, {}), Progress(io.StringIO(), table), covered)
    return comparing, list(csv.reader(io.StringIO(table_of_differences.getvalue())))


async def test_each_kind_of_difference_is_found(database: Database, sent: list[int], tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(
        "reference,id,status,price,time\n"
        f"{sent[0]},p0,DELIVRD,350,2026-11-22 08:00:00\n"
        f"motma{sent[1]},p1,UNDELIV,700,2026-11-22 08:01:00\n"
        f",p2,ACCEPTD,350.0,2026-11-22 08:02:00\n"
        f"{sent[4]},p9,DELIVRD,350,2026-11-22 08:03:00\n"
        f"{sent[0]},p7,DELIVRD,350,2026-11-22 08:03:01\n"
        "999999,p8,=1+1,350,2026-11-22 08:04:00\n"
    )
    comparing, rows = await compared(database, file)
    assert {finding: number for finding, number in comparing.totals.found.items() if number} == {
        Finding.STATE: 2,
        Finding.PRICE: 1,
        Finding.TWICE: 1,
        Finding.ONLY_THEIRS: 1,
        Finding.ONLY_OURS: 1,
    }
    assert (comparing.totals.lines, comparing.totals.agree, comparing.totals.unread) == (6, 2, 1)
    assert (comparing.totals.our_dong, comparing.totals.their_dong) == (1400, Decimal(2450))
    assert [str(Finding.ONLY_OURS), "", str(sent[3]), "p3", "delivered", ""] in rows
    assert [str(Finding.ONLY_THEIRS), "7", "999999", "p8", "", "'=1+1"] in rows
    assert [str(Finding.STATE), "5", str(sent[4]), "p9", "in_doubt", "DELIVRD"] in rows


async def test_their_word_is_taken_when_asked_and_never_lowers_a_state(
    database: Database, database_url: str, sent: list[int], tmp_path: Path
) -> None:
    file = tmp_path / "list.ndjson"
    file.write_text(f'{{"ref": "{sent[4]}", "smsid": 12, "state": 5}}\n{{"ref": {sent[0]}, "state": "failed"}}\n')
    comparing, _ = await compared(database, file, Reading({}, {"5": "delivered"}), apply=True)
    assert comparing.applied == 2
    owner = await asyncpg.connect(database_url)
    states = [row["state"] for row in await owner.fetch("SELECT state FROM message ORDER BY id")]
    await owner.close()
    assert (states[4], states[0]) == (DeliveryState.DELIVERED, DeliveryState.DELIVERED)


async def test_a_list_that_agrees_says_so(
    database: Database, sent: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.csv"
    states = ("delivered", "delivered", "sent", "delivered")
    lines = [f"{number};p{n};{state};350" for n, (number, state) in enumerate(zip(sent, states, strict=False))]
    file.write_text("\n".join(("mid;msg_id;Trạng thái;Đơn giá", *lines)))
    comparing, rows = await compared(database, file)
    assert (comparing.totals.differ, comparing.totals.agree, rows) == (0, 4, [])
    say(comparing.totals, comparing.some, applied=None)
    assert "4 lines: 4 agree, 0 differences." in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    ["a,b\n1,2\n", "reference,price\n1,cheap\n", "reference,price\n1,NaN\n", "reference,time\n1,yesterday\n"],
)
def test_a_list_that_cannot_be_read_is_refused_with_its_line(text: str, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(text)
    with open_table(file) as table, pytest.raises((Invalid, Malformed)):
        list(Reading({}, {}).lines(table))


def test_lines_of_json_must_be_objects(tmp_path: Path) -> None:
    file = tmp_path / "list.ndjson"
    file.write_text("[" * 100_000 + "\n")
    with open_table(file) as table, pytest.raises(Malformed):
        list(Reading({}, {}).lines(table))


def test_options_are_checked() -> None:
    assert pairs(["price=Fee"], "--column") == {"price": "Fee"}
    for wrong in (lambda: pairs(["price"], "--column"), lambda: Reading({"colour": "x"}, {})):
        with pytest.raises(Invalid):
            wrong()
    with pytest.raises(Invalid):
        Reading({}, {"5": "queued"})
    assert isinstance(AT, datetime)


async def test_the_ledger_of_our_own_simulator_agrees_with_what_it_took_and_reported(
    database: Database, sent: list[int], tmp_path: Path
) -> None:
    async with open_provider(tmp_path / "ledger") as (url, provider), aiohttp.ClientSession() as http:
        for number, receipts in ((sent[0], True), (sent[2], False)):
            provider.faults = Faults(receipts=receipts, receipt_after=0.0)
            where = f"{url}/dlr?mid={number}&type=%d"
            async with http.get(f"{url}{SENDSMS}", params={"to": "1", "text": "a", "dlr-url": where}) as taken:
                assert taken.status == 202
        await until(lambda: provider.seen["receipt 404"] == 2)  # nobody hears them, but they were called
        async with http.get(f"{url}/ledger") as ledger:
            file = tmp_path / "taken.ndjson"
            file.write_bytes(await ledger.read())
    comparing, differences = await compared(database, file)
    assert (comparing.totals.lines, comparing.totals.agree) == (2, 2)
    assert {row[2] for row in differences[1:]}.isdisjoint({str(sent[0]), str(sent[2])})


def test_times_are_written_or_counted_in_seconds() -> None:
    assert time_of("1795392123.5") == datetime(2026, 11, 23, 0, 2, 3, 500_000, tzinfo=UTC)
    assert time_of("1795392123") == datetime(2026, 11, 23, 0, 2, 3, tzinfo=UTC)
    assert time_of("20261123") == time_of("2026-11-23T00:00:00")
    with pytest.raises(Malformed):
        time_of("inf")
