"""`motma messages`: found, followed, exported without formulas and contacts, sent again."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO

import msgspec
import pytest

from database.pool import Database, Role
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.errors import Invalid
from domain.message import DeliveryState, MessageKind
from lookup.sealing import Seal
from notifications.dead_letters import replay
from notifications.outbox import REPLY_EXPIRY, Outbox
from notifications.reports import Reports
from notifications.timeline import Message, Timeline, Wanted
from service.__main__ import parser
from service.commands.messages import Desk, _wanted, contact_of, follow, since_of, written

PHONE = Contact(channel=ChannelName.SMS, address="+84901234567")
GIVEN_UP = "UPDATE message SET state = 70, settled_at = now(), route = 'line', failure = '=HYPERLINK(0)'"


@pytest.fixture
def desk(database: Database, seal: Seal) -> Desk:
    """As the command opens it."""
    return Desk(database=database, seal=seal, timeline=Timeline(seal))


async def queued(desk: Desk) -> int:
    """A message to a phone; its id."""
    async with desk.database.transaction(Role.WORKER) as worker:
        found = await Outbox(desk.seal).queue(worker, PHONE, "words", kind=MessageKind.REPLY, expires_in=REPLY_EXPIRY)
    assert found is not None
    return found


async def given_up(desk: Desk) -> Message:
    """A message that was refused."""
    number = await queued(desk)
    async with desk.connection() as connection:
        await connection.execute(GIVEN_UP)
    return (await desk.by_id([number]))[0]


async def test_what_happens_is_followed_each_step_once(desk: Desk) -> None:
    wanted, out = Wanted(since=utc_now() - timedelta(minutes=1)), StringIO()
    number = await queued(desk)
    reports = Reports(desk.database)
    await reports.report(route="line", state=DeliveryState.DELIVERED, provider_word="DELIVRD", message_id=number)
    await follow(desk, wanted, out, looks=2)
    lines = out.getvalue().splitlines()
    assert [line.split()[3] for line in lines] == ["queued", "handed_over", "reported"]
    assert "delivered" in lines[2]
    assert "901234567" not in out.getvalue()


async def test_an_export_runs_no_formula_and_names_nobody(desk: Desk) -> None:
    message, table, lines = await given_up(desk), StringIO(), StringIO()
    written(table, "csv")(message)
    written(lines, "ndjson")(message)
    (row,) = csv.DictReader(StringIO(table.getvalue()))
    assert (row["state"], row["failure"], row["contact"]) == ("failed", "'=HYPERLINK(0)", "'+84…67")
    said = msgspec.json.decode(lines.getvalue())
    assert (said["state"], said["route"], said["timeline"][-1]["word"]) == ("failed", "line", "=HYPERLINK(0)")
    assert "901234567" not in table.getvalue() + lines.getvalue()


async def test_what_was_sent_again_says_so(desk: Desk) -> None:
    message = await given_up(desk)
    async with desk.connection() as connection:
        assert await replay(connection, [message.message_id]) == {message.message_id}
    (again,) = await desk.messages(Wanted(), 10)
    assert [step.what for step in again.steps] == ["queued", "ended", "replayed"]


def test_contacts_are_understood_as_people_write_them() -> None:
    assert contact_of("0901 234 567") == PHONE == contact_of("sms:+84901234567")
    assert contact_of("An@Example.vn").address == "an@example.vn"
    assert contact_of("telegram:5000001").channel == "telegram"
    with pytest.raises(Invalid):
        contact_of("nobody")


def test_times_are_ago_or_in_vietnam() -> None:
    assert utc_now() - since_of("12h") - timedelta(hours=12) < timedelta(seconds=5)
    assert since_of("2026-11-22") == datetime(2026, 11, 21, 17, tzinfo=UTC)
    assert since_of("2026-11-22T08:00+00:00") == datetime(2026, 11, 22, 8, tzinfo=UTC)
    for nonsense in "yesterday", "12", "9999999d", "":
        with pytest.raises(Invalid):
            since_of(nonsense)


def test_the_help_shows_how(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["messages", "--help"])
    said = capsys.readouterr().out
    for part in "--dossier", "--contact", "--follow", "replay", "export", "superseded":
        assert part in said


def test_actions_do_not_take_the_filters_away() -> None:
    given = parser().parse_args(["messages", "--state", "dead", "--state", "failed", "--since", "7d"])
    assert (given.state, given.since, given.follow) == (["dead", "failed"], "7d", False)
    assert parser().parse_args(["messages", "replay", "5"]).ids == [5]
    assert parser().parse_args(["messages", "export", "--format", "csv"]).format == "csv"


@pytest.mark.parametrize("name", ["contact", "dossier", "agency", "since", "channel"])
async def test_a_filter_without_a_value_is_not_taken_for_everybody(desk: Desk, name: str) -> None:
    with pytest.raises(Invalid, match=f"--{name} is empty"):
        await _wanted(parser().parse_args(["messages", f"--{name}", ""]), desk)
