"""What has had its time ends, what is needed stays; a person is shown and forgotten."""

import argparse
from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import pytest

from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import Malformed
from feedback_intake.cases import SENDER, Step
from feedback_intake.moves import MoveName, Who
from lookup.sealing import Seal
from notifications.subscriptions import Subscriptions
from service.__main__ import parser
from service.keeping import CLASSES, Keeping, terms
from service.persons import Persons
from tests.feedback_intake.desk import HERE, PHONE, CaseDesk

CANARY = "Nguyễn Thị Chim Yến"
LONG_AGO = timedelta(days=4_000)
ADD_INBOUND = """
    INSERT INTO inbound (channel, provider_id, sender_digest, sender_sealed, recipient, text_sealed, text_digest,
                         received_at, handled_at)
    VALUES ('sms', $1, $2, $3, '8088', $4, '', now(), now() - $5::interval)"""
ADD_MESSAGE = """
    INSERT INTO message (dossier_id, kind, channel, contact_digest, address_sealed, expires_at, state, settled_at)
    VALUES (1, 'status_changed', 'sms', $1, $2, now(), $3, now() - $4::interval) RETURNING id"""
ADD_APOLOGY = """
    WITH given AS (
        INSERT INTO apology (dossier_id, owner_agency, office, automatic, state, due_at, proposed_on, code, reason)
        VALUES (1, 1, 1, false, 'refused', now(), current_date, 'H05.16-261102-0001', $1) RETURNING id)
    INSERT INTO apology_act (apology_id, act, at, actor, reason)
    SELECT id, 'refused', now() - $2::interval, 'an', $1 FROM given"""
SEALED_COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns c
     WHERE table_schema = 'public' AND data_type = 'bytea' AND column_name LIKE '%sealed'
       AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = table_name::regclass)"""


@pytest.fixture
def desk(database: Database, seal: Seal) -> CaseDesk:
    """Files and moves as the service does."""
    return CaseDesk(database=database, seal=seal)


async def owner(database_url: str, statement: str, *values: object) -> Sequence[asyncpg.Record]:
    """One statement past every guard."""
    connection = await asyncpg.connect(database_url)
    try:
        found: Sequence[asyncpg.Record] = await connection.fetch(statement, *values)
    finally:
        await connection.close()
    return found


async def everything_readable(database_url: str, seal: Seal) -> str:
    """All sealed texts of the store, opened."""
    texts = []
    for column in await owner(database_url, SEALED_COLUMNS):
        table, name = column["table_name"], column["column_name"]
        rows = await owner(database_url, f"SELECT {name} AS v FROM {table} WHERE {name} IS NOT NULL")  # noqa: S608
        texts += [seal.open(row["v"]) for row in rows]
    return "\n".join(texts)


def test_terms_are_changed_by_name_and_nothing_else_is_taken() -> None:
    assert terms("")["inbound"] == timedelta(days=90)
    assert terms(" inbound=30, message=730 ")["message"] == timedelta(days=730)
    for wrong in ("inbox=3", "inbound", "inbound=0", "inbound=-1", "inbound=x", "inbound=٣"):
        with pytest.raises(Malformed):
            terms(wrong)


def test_the_help_names_every_class_with_its_term(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["retention", "--help"])
    said = capsys.readouterr().out
    assert all(kept.name in said and f"{kept.days} days" in said for kept in CLASSES)
    assert isinstance(parser(), argparse.ArgumentParser)


async def test_what_has_had_its_time_ends_and_the_rest_stays(database: Database, database_url: str, seal: Seal) -> None:
    contact = seal.contact(Contact(channel=ChannelName.SMS, address=PHONE))
    for n, age in enumerate((timedelta(days=91), timedelta(days=89))):
        await owner(database_url, ADD_INBOUND, f"sms:{n}", contact, seal.seal(PHONE), seal.seal("HS 1"), age)
    for state, age in ((80, timedelta(days=401)), (80, timedelta(days=399)), (30, LONG_AGO)):
        await owner(database_url, ADD_MESSAGE, contact, seal.seal(PHONE), state, age)
    keeping = Keeping(database, terms(""))
    due = {kept.name: await keeping.due(kept) for kept in CLASSES}
    assert {name: count for name, count in due.items() if count} == {"inbound": 1, "message": 1}
    assert [await keeping.end(kept) for kept in CLASSES] == [due[kept.name] for kept in CLASSES]
    assert [await keeping.end(kept) for kept in CLASSES] == [0] * len(CLASSES)
    assert len(await owner(database_url, "SELECT FROM inbound")) == 2  # who sends the old one again is still known
    assert len(await owner(database_url, "SELECT FROM inbound WHERE text_sealed <> ''")) == 1
    assert len(await owner(database_url, "SELECT FROM message")) == 2


async def test_an_apology_loses_its_reason_and_keeps_its_dates(database: Database, database_url: str) -> None:
    for age in (timedelta(days=401), timedelta(days=399)):
        await owner(database_url, ADD_APOLOGY, CANARY, age)
    keeping = Keeping(database, terms(""))
    (kept,) = (kept for kept in CLASSES if kept.name == "apology")
    assert (await keeping.due(kept), await keeping.end(kept), await keeping.due(kept)) == (1, 1, 0)
    for table in ("apology", "apology_act"):
        left = await owner(database_url, f"SELECT reason FROM {table} ORDER BY id")  # noqa: S608
        assert [row["reason"] for row in left] == [None, CANARY]


async def test_ended_feedback_loses_words_and_people_and_keeps_its_number(
    desk: CaseDesk, database_url: str, seal: Seal
) -> None:
    ended, still = await desk.files(f"{CANARY} chờ mãi"), await desk.files("Chuyện khác")
    async with desk.database.transaction(Role.WORKER) as connection:
        await desk.cases.move(connection, ended.case_id, Step(move=MoveName.WITHDRAW, why=CANARY), SENDER)
    await owner(database_url, "UPDATE feedback_case SET filed_at = now() - $1::interval", LONG_AGO)
    keeping = Keeping(desk.database, terms(""))
    assert [await keeping.end(kept) for kept in CLASSES if kept.name == "feedback"] == [1]
    left = await everything_readable(database_url, seal)
    assert CANARY not in left
    assert "Chuyện khác" in left
    numbers = {row["number"] for row in await owner(database_url, "SELECT number FROM feedback")}
    assert numbers == {ended.number, still.number}


async def test_a_person_is_shown_all_and_forgotten_but_for_what_must_stay(
    desk: CaseDesk, database_url: str, seal: Seal
) -> None:
    contact = Contact(channel=ChannelName.SMS, address=PHONE)
    digest = seal.contact(contact)
    withdrawn, still = await desk.files(f"{CANARY} chờ mãi"), await desk.files("Chuyện khác")
    async with desk.database.transaction(Role.WORKER) as connection:
        await desk.cases.move(connection, withdrawn.case_id, Step(move=MoveName.WITHDRAW), SENDER)
    await owner(database_url, ADD_INBOUND, "sms:1", digest, seal.seal(PHONE), seal.seal(CANARY), timedelta())
    await owner(database_url, "INSERT INTO opt_out (contact_digest, source) VALUES ($1, 'keyword')", digest)
    await owner(database_url, ADD_MESSAGE, digest, seal.seal(PHONE), 80, timedelta())
    (asked,) = await owner(database_url, "SELECT id FROM inbound WHERE sender_digest = $1", digest)
    async with desk.database.transaction(Role.WORKER) as connection:
        await Subscriptions(seal).stop_all(connection, contact, source="keyword", inbound_id=asked["id"])
    persons = Persons(seal)
    async with desk.database.transaction(Role.KEEPER) as connection:
        shown = await persons.show(connection, contact, by="clerk")
        assert shown["written to us"][0]["text"] == CANARY
        (consent,) = shown["consent given and withdrawn"]
        assert (consent["act"], consent["channel"], consent["text"]) == ("stop_all", "sms", CANARY)
        assert [notice["state"] for notice in shown["notices"]] == ["delivered"]
        assert {row["number"] for row in shown["feedback"]} == {withdrawn.number, still.number}
        done = await persons.forget(connection, contact, by="clerk")
    assert (done.counts["written to us"], done.counts["feedback"]) == (1, 1)
    assert set(done.stays) == {"feedback", "refusal"}
    assert CANARY not in await everything_readable(database_url, seal)
    assert len(await owner(database_url, "SELECT FROM opt_out")) == 1
    acts = await owner(database_url, "SELECT act, by FROM person_request ORDER BY id")
    assert [(row["act"], row["by"]) for row in acts] == [("shown", "clerk"), ("forgotten", "clerk")]


async def test_nobody_elses_data_is_touched(desk: CaseDesk, database_url: str, seal: Seal) -> None:
    await desk.files("Của người khác", phone="+84907654321")
    head = await desk.officer(HERE, Who.HEAD)
    assert head.account_id is not None
    async with desk.database.transaction(Role.KEEPER) as connection:
        done = await Persons(seal).forget(connection, Contact(channel=ChannelName.SMS, address=PHONE), by="clerk")
    assert not any(done.counts.values())
    assert "Của người khác" in await everything_readable(database_url, seal)
