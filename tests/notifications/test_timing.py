"""Nobody is told at night, every minute, too often a day, or what they have seen already."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta

import pytest

from database.pool import Connection, Database, Role
from domain.civil_time import CIVIL_ZONE
from domain.contact import ChannelName, Contact
from domain.errors import Malformed
from domain.message import DeliveryState, Lane
from domain.status import Status
from notifications.claims import PLAN_ONCE, Claimed, claim
from notifications.kinds import EventKind
from notifications.outbox import Deadline
from notifications.rules import drop_rule, set_rule
from notifications.settlement import Ended, handed_over, settle
from notifications.subscriptions import Subscriptions
from notifications.timing import AT_ONCE, Timing, awake, timing
from tests.notifications.conftest import PHONE, Dispatch, Office, Phones
from tests.notifications.test_claims import LEASE, NEIGHBOUR, room

NIGHT = Timing(quiet_from=timedelta(hours=21), quiet_for=timedelta(hours=10))
THREE = Timing(a_day=3)
QUEUED, SUPERSEDED, CLAIMED = DeliveryState.QUEUED, DeliveryState.SUPERSEDED, DeliveryState.CLAIMED
EVENTS = "SELECT array_agg(event ORDER BY id) FROM message"


def quiet_now() -> Timing:
    """Quiet hours that began an hour ago and end in one."""
    local = datetime.now(CIVIL_ZONE)
    begin = timedelta(hours=local.hour, minutes=local.minute) - timedelta(hours=1)
    return Timing(quiet_from=begin % timedelta(days=1), quiet_for=timedelta(hours=2))


@pytest.fixture
async def worker(database: Database) -> AsyncIterator[Connection]:
    """A connection as the dispatcher's."""
    async with database.connection(Role.WORKER) as connection:
        await connection.execute(PLAN_ONCE)
        yield connection


async def hands_over(worker: Connection, rows: list[Claimed]) -> None:
    """All that was leased is taken by the provider."""
    await settle(worker, [Ended(row, "r", handed_over(None)) for row in rows if row.state == CLAIMED])


@pytest.mark.parametrize(
    ("at", "told_at"),
    [
        ("20:59", "20:59"),
        ("21:00", "07:00"),
        ("23:59", "07:00"),
        ("00:00", "07:00"),
        ("06:59", "07:00"),
        ("07:00", "07:00"),
        ("12:00", "12:00"),
    ],
)
async def test_the_night_ends_at_seven(office: Office, at: str, told_at: str) -> None:
    asked = f"SELECT {awake('$1::timestamptz', '$2::interval', '$3::interval')}"
    begun = datetime.combine(date(2026, 11, 2), time.fromisoformat(at), CIVIL_ZONE)
    ends = await office.owner.fetchval(asked, begun, NIGHT.shift, NIGHT.quiet_for)
    assert f"{ends.astimezone(CIVIL_ZONE):%H:%M}" == told_at
    assert timedelta(0) <= ends - begun <= timedelta(hours=10)
    for never in (AT_ONCE, Timing(quiet_from=timedelta(hours=21))):
        assert await office.owner.fetchval(asked, begun, never.shift, never.quiet_for) == begun


@pytest.mark.parametrize(
    ("written", "begin", "length"), [("21:00-07:00", 21, 10), (" 9:00 - 17:00 ", 9, 8), ("off", 0, 0)]
)
def test_quiet_hours_are_written_as_hours(written: str, begin: int, length: int) -> None:
    hours = timing(written, 60, 3)
    assert (hours.quiet_from, hours.quiet_for) == (timedelta(hours=begin), timedelta(hours=length))
    assert (hours.window, hours.a_day) == (timedelta(minutes=1), 3)


@pytest.mark.parametrize("written", ["", "21-7", "24:00-07:00", "21:60-07:00", "night"])
def test_hours_that_are_none_are_refused(written: str) -> None:
    with pytest.raises(Malformed):
        timing(written, 0, 0)


async def test_a_notice_waits_for_the_end_of_the_quiet_hours(office: Office, worker: Connection) -> None:
    office.keeps(quiet_now())
    await office.moves(await office.opens(), Status.PROCESSING)
    row = await office.owner.fetchrow("SELECT run_at - now() AS wait, expires_at - run_at AS left FROM message")
    assert timedelta(minutes=58) < row["wait"] <= timedelta(hours=1)
    assert row["left"] == timedelta(hours=24)
    assert await claim(worker, [room()], LEASE, quiet_now()) == []


async def test_what_could_not_go_out_before_the_quiet_hours_waits_for_their_end(
    office: Office, worker: Connection
) -> None:
    """Decided again at the claim: the provider was away when the night began."""
    await office.moves(await office.opens(), Status.PROCESSING)
    await office.answers("an answer")
    taken = await claim(worker, [room()], LEASE, quiet_now())
    assert {row.kind: row.state for row in taken} == {"status_changed": QUEUED, "reply": CLAIMED}
    waits = await office.owner.fetchval("SELECT run_at - now() FROM message WHERE kind = 'status_changed'")
    assert timedelta(minutes=58) < waits <= timedelta(hours=1)


async def test_what_must_be_done_today_is_told_in_the_quiet_hours(office: Office, worker: Connection) -> None:
    office.keeps(quiet_now())
    dossier = await office.opens(due_at=datetime.now(UTC))
    await office.moves(dossier, Status.PAYMENT_REQUIRED, asked="lệ phí")
    (row,) = await claim(worker, [room()], LEASE, quiet_now())
    assert (row.state, row.lane, row.event) == (CLAIMED, Lane.URGENT, EventKind.ASKED)


async def test_quick_changes_of_one_dossier_are_told_as_the_newest(office: Office, worker: Connection) -> None:
    """The first at once; what follows within the window waits for its end, and of several the newest is told."""
    office.keeps(Timing(window=timedelta(seconds=60)))
    dossier, other = await office.opens(), await office.opens()
    await office.moves(dossier, Status.PROCESSING)
    await hands_over(worker, await claim(worker, [room()], LEASE))
    await office.moves(dossier, Status.SUPPLEMENT_REQUIRED)
    await office.moves(dossier, Status.COMPLETED)
    await office.moves(other, Status.PROCESSING)
    taken = await claim(worker, [room()], LEASE)
    assert [row.message_id for row in taken] == [4]
    waits = await office.owner.fetch("SELECT run_at - now() AS wait FROM message WHERE id IN (2, 3)")
    assert all(timedelta(seconds=50) < row["wait"] <= timedelta(seconds=60) for row in waits)
    await office.owner.execute("UPDATE message SET run_at = now() WHERE state = 0")
    taken = await claim(worker, [room()], LEASE)
    assert {row.message_id: row.state for row in taken} == {2: SUPERSEDED, 3: CLAIMED}


async def test_after_three_notices_in_a_day_the_others_are_told_together(
    office: Office, worker: Connection, dispatch: Dispatch
) -> None:
    """G46: seven dossiers of one phone move at the same moment."""
    for _ in range(7):
        await office.moves(await office.opens(), Status.PROCESSING)
    told = await claim(worker, [room()], LEASE, THREE)
    assert [row.state for row in sorted(told)] == [CLAIMED] * 3 + [QUEUED] * 4
    await hands_over(worker, told)
    held = await office.owner.fetch(
        "SELECT run_at - now() AS wait, expires_at - run_at AS left FROM message WHERE id > 3"
    )
    assert all(timedelta(hours=23, minutes=59) < row["wait"] <= timedelta(hours=24) for row in held)
    assert all(row["left"] == timedelta(hours=24) for row in held)
    # A day later. One of the dossiers was muted meanwhile, one was looked at.
    await office.owner.execute(
        "UPDATE message SET handed_over_at = handed_over_at - interval '25 hours', run_at = now() - interval '1 second'"
    )
    await Subscriptions(office.seal).mute(worker, PHONE, 4)
    await office.owner.execute("INSERT INTO shown SELECT phone_digest, id, version FROM dossier WHERE id = 5")
    phones = Phones()
    await dispatch.once(phones)
    assert [told.message_id for told in phones.told] == [7]
    assert "HS H05.16-261102-0007, H05.16-261102-0006." in phones.told[0].text
    await office.owner.execute("UPDATE message SET run_at = now() WHERE state = 0")
    await claim(worker, [room()], LEASE, THREE)
    assert (await office.states())[3:] == [62, SUPERSEDED, SUPERSEDED, DeliveryState.HANDED_OVER]


async def test_a_digest_that_was_refused_for_good_takes_no_news_with_it(office: Office, worker: Connection) -> None:
    for _ in range(6):
        await office.moves(await office.opens(), Status.PROCESSING)
    await hands_over(worker, await claim(worker, [room()], LEASE, THREE))
    await office.owner.execute("UPDATE message SET handed_over_at = handed_over_at - interval '25 hours'")
    await office.owner.execute("UPDATE message SET run_at = now() WHERE state = 0")
    taken = await claim(worker, [room()], LEASE, THREE)
    assert {row.message_id: row.state for row in taken} == {4: QUEUED, 5: QUEUED, 6: CLAIMED}
    await office.owner.execute("UPDATE message SET state = 70 WHERE id = 6")
    await office.owner.execute("UPDATE message SET run_at = now() WHERE state = 0")
    (carrier,) = [row for row in await claim(worker, [room()], LEASE, THREE) if row.state == CLAIMED]
    assert (carrier.message_id, len(carrier.held or ())) == (5, 2)


async def test_others_changes_of_one_dossier_do_not_fill_the_day(office: Office, worker: Connection) -> None:
    """Five changes waiting make one notice, whoever looks at them first."""
    dossier = await office.opens()
    for status in (Status.PROCESSING, Status.SUPPLEMENT_REQUIRED, Status.PROCESSING, Status.PAYMENT_REQUIRED):
        await office.moves(dossier, status)
    await office.moves(dossier, Status.COMPLETED)
    taken = await claim(worker, [room()], LEASE, THREE)
    assert [row.state for row in sorted(taken)] == [SUPERSEDED] * 4 + [CLAIMED]


async def test_what_was_seen_meanwhile_is_not_told(office: Office, worker: Connection) -> None:
    dossier = await office.opens()
    await Subscriptions(office.seal).follow(worker, NEIGHBOUR, dossier, proven=True)
    await office.moves(dossier, Status.PROCESSING)
    await office.owner.execute(
        "INSERT INTO shown VALUES ($1, $2, 2), ($3, $2, 1)",
        office.seal.contact(PHONE),
        dossier,
        office.seal.contact(NEIGHBOUR),
    )
    await claim(worker, [room()], LEASE)
    told = await office.owner.fetch("SELECT contact_digest, state FROM message")
    assert dict(map(tuple, told)) == {
        office.seal.contact(PHONE): SUPERSEDED,
        office.seal.contact(NEIGHBOUR): CLAIMED,
    }


async def test_a_step_within_the_office_is_told_to_nobody(office: Office) -> None:
    dossier = await office.opens(status=Status.PROCESSING)
    await office.moves(dossier, Status.PROCESSING)
    assert await office.states() == []


async def test_an_agency_decides_what_is_told_and_the_nearest_rule_counts(
    office: Office, database: Database, worker: Connection
) -> None:
    above = await office.owner.fetchval("SELECT parent_id FROM agency WHERE id = $1", office.agency_id)
    async with database.connection(Role.OPERATOR) as operator:
        await set_rule(operator, EventKind.INTERNAL, agency_id=office.agency_id, procedure_id=None, told=True)
        await set_rule(operator, EventKind.INTERNAL, agency_id=above, procedure_id=None, told=False)
        await set_rule(operator, EventKind.MOVED_ON, agency_id=above, procedure_id=None, told=False)
    dossier = await office.opens()
    await office.moves(dossier, Status.PROCESSING)
    await office.moves(dossier, Status.PROCESSING)
    assert await office.owner.fetchval(EVENTS) == ["internal"]
    async with database.connection(Role.OPERATOR) as operator:
        assert await drop_rule(operator, EventKind.INTERNAL, agency_id=office.agency_id, procedure_id=None)
        assert not await drop_rule(operator, EventKind.INTERNAL, agency_id=office.agency_id, procedure_id=None)
    (row,) = await claim(worker, [room()], LEASE)  # decided again: it is told no more
    assert row.state == SUPERSEDED


async def test_a_rule_for_a_procedure_goes_before_one_for_the_agency(office: Office, database: Database) -> None:
    procedure = await office.owner.fetchval("INSERT INTO procedure (code) VALUES ('9.999') RETURNING id")
    async with database.connection(Role.OPERATOR) as operator:
        await set_rule(operator, EventKind.MOVED_ON, agency_id=office.agency_id, procedure_id=None, told=False)
        await set_rule(operator, EventKind.MOVED_ON, agency_id=None, procedure_id=procedure, told=True)
    told, silent = await office.opens(), await office.opens()
    await office.owner.execute("UPDATE dossier SET procedure_id = $1 WHERE id = $2", procedure, told)
    await office.moves(told, Status.PROCESSING)
    await office.moves(silent, Status.PROCESSING)
    assert await office.owner.fetchval("SELECT array_agg(dossier_id) FROM message") == [told]


async def test_dates_are_told_to_who_has_proven_a_right_to_them(office: Office, worker: Connection) -> None:
    due = datetime(2026, 11, 20, 10, tzinfo=UTC)
    dossier = await office.opens(status=Status.PROCESSING, due_at=due)
    await Subscriptions(office.seal).follow(worker, NEIGHBOUR, dossier, proven=False)
    await office.moves(dossier, Status.PROCESSING, due_at=due + timedelta(days=7))
    row = await office.owner.fetchrow("SELECT event, due_before, contact_digest, count(*) OVER () AS n FROM message")
    assert (row["n"], row["event"], row["due_before"]) == (1, EventKind.NEW_DUE_DATE, due)
    assert row["contact_digest"] == office.seal.contact(PHONE)


async def test_a_deadline_is_told_once_however_often_the_clock_strikes(
    office: Office, worker: Connection, dispatch: Dispatch
) -> None:
    due = datetime.now(UTC) + timedelta(days=1)
    dossier = await office.opens(status=Status.PROCESSING, due_at=due)
    hidden = await office.opens(status=Status.PROCESSING, due_at=due, test=True)
    deadlines = [Deadline(number, due.astimezone(CIVIL_ZONE).date()) for number in (dossier, hidden)]
    for _ in range(2):
        await office.outbox.announce_deadline(worker, EventKind.DUE_TOMORROW, deadlines)
    phones = Phones()
    await dispatch.once(phones)
    (told,) = phones.told
    assert (told.to, told.facts["event"]) == (PHONE, "due_tomorrow")
    assert "sap den hen tra ket qua" in told.text
    with pytest.raises(ValueError, match="clock"):
        await office.outbox.announce_deadline(worker, EventKind.MOVED_ON, deadlines)


@pytest.mark.parametrize(("seen", "state"), [("1 day", DeliveryState.HANDED_OVER), ("-1 second", SUPERSEDED)])
async def test_what_a_day_brings_was_seen_only_by_who_looked_since(
    office: Office, worker: Connection, dispatch: Dispatch, seen: str, state: DeliveryState
) -> None:
    due = datetime.now(UTC) + timedelta(days=1)
    dossier = await office.opens(status=Status.PROCESSING, due_at=due)
    await office.owner.execute(
        "INSERT INTO shown (contact_digest, dossier_id, version, shown_at)"
        " SELECT $1, $2, 1, now() - $3::text::interval",
        office.seal.contact(PHONE),
        dossier,
        seen,
    )
    deadline = Deadline(dossier, due.astimezone(CIVIL_ZONE).date())
    await office.outbox.announce_deadline(worker, EventKind.DUE_TOMORROW, [deadline])
    await office.answers("after it", to=Contact(channel=ChannelName.SMS, address="+84912000222"))
    await dispatch.once(Phones(), calls=1 if state is SUPERSEDED else 2)
    assert await office.states() == [state, DeliveryState.HANDED_OVER]


async def test_a_deadline_that_is_met_meanwhile_is_not_told(
    office: Office, worker: Connection, dispatch: Dispatch
) -> None:
    due = datetime.now(UTC) - timedelta(days=2)
    dossier = await office.opens(status=Status.PROCESSING, due_at=due)
    await office.outbox.announce_deadline(
        worker, EventKind.OVERDUE, [Deadline(dossier, due.astimezone(CIVIL_ZONE).date())]
    )
    await office.owner.execute("UPDATE dossier SET status = 9, finished_at = now()")
    await office.answers("after it", to=Contact(channel=ChannelName.SMS, address="+84912000222"))
    await dispatch.once(Phones())
    assert await office.states() == [SUPERSEDED, DeliveryState.HANDED_OVER]
