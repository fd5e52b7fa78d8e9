"""What people send is recorded once, answered once, in order, whatever fails in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from channels.conversation.engine import Conversation
from channels.conversation.turn import Said, Turn
from channels.conversation_memory import BY_SMS, ReplyLimits
from channels.guesses import GuardedDesk
from channels.inbound import Handling, Inbox
from channels.recording import Recorder
from channels.sms.plain import plain
from database.pool import Database, Role, open_database
from domain.contact import ChannelName, Contact
from domain.errors import Unavailable
from domain.message import Incoming, IncomingKind
from lookup.sealing import Seal
from service.wiring import Core
from tests.channels.story import CODE, PATIENCE, PHONE, STRANGER, Line, Office, make_inbox

QUICK = Handling(lease=timedelta(seconds=1), poll=timedelta(milliseconds=50), first_retry=timedelta(milliseconds=10))


def incoming(
    text: str = CODE, *, sender: str = PHONE, number: int = 1, kind: IncomingKind = IncomingKind.TEXT
) -> Incoming:
    """One text as a gateway hands it in."""
    return Incoming(
        sender=Contact(channel=ChannelName.SMS, address=sender),
        recipient="8088",
        text=text,
        external_id=f"test:{number}",
        received_at=datetime.now(UTC),
        kind=kind,
    )


@asynccontextmanager
async def working(*inboxes: Inbox) -> AsyncIterator[None]:
    """Inboxes at work."""
    tasks = [asyncio.create_task(inbox.run()) for inbox in inboxes]
    try:
        yield
    finally:
        for inbox in inboxes:
            inbox.stop()
        await asyncio.wait(tasks, timeout=PATIENCE)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def fetch(core: Core, statement: str) -> list[dict[str, Any]]:
    """Rows, as the worker sees them."""
    async with core.database.connection(Role.WORKER) as connection:
        return [dict(row) for row in await connection.fetch(statement)]


async def replies(core: Core) -> list[str]:
    """Every reply queued, oldest first."""
    rows = await fetch(core, "SELECT text_sealed FROM message WHERE kind = 'reply' ORDER BY id")
    return [core.seal.open(row["text_sealed"]) for row in rows]


async def all_handled(core: Core, count: int) -> list[dict[str, Any]]:
    """The inbound rows once `count` of them are handled."""
    async with asyncio.timeout(PATIENCE):
        while True:
            rows = await fetch(core, "SELECT attempts, handled_at, failure FROM inbound ORDER BY id")
            if sum(row["handled_at"] is not None for row in rows) >= count:
                return rows
            await asyncio.sleep(0.02)  # polls the store: what is awaited is a commit of another task


class Failing(Conversation):
    """A conversation with a fault for one text."""

    def __init__(self, core: Core, poison: str) -> None:
        super().__init__(GuardedDesk(core.desk, core.limits))
        self.poison = poison
        self.asked = 0

    async def answer(self, said: Said) -> Turn:
        """The turn, or the fault."""
        if said.text == self.poison:
            self.asked += 1
            raise ZeroDivisionError
        return await super().answer(said)


async def test_a_text_sent_twice_is_recorded_and_answered_once(core: Core) -> None:
    inbox = make_inbox(core)
    async with working(inbox):
        assert await inbox.heard(incoming("HELP"))
        assert not await inbox.heard(incoming("HELP"))
        await all_handled(core, 1)
        assert not await inbox.heard(incoming("HELP"))
    assert len(await replies(core)) == 1
    assert len(await fetch(core, "SELECT id FROM inbound")) == 1


async def test_who_leaves_is_told_nothing_until_back(core: Core) -> None:
    inbox = make_inbox(core)
    async with working(inbox):
        await inbox.heard(incoming("", number=1, kind=IncomingKind.LEFT))
        await all_handled(core, 1)
        assert await fetch(core, "SELECT source FROM opt_out") == [{"source": "left"}]
        assert await replies(core) == []
        await inbox.heard(incoming("", number=2, kind=IncomingKind.JOINED))
        await all_handled(core, 2)
    assert await fetch(core, "SELECT source FROM opt_out") == []
    assert await fetch(core, "SELECT act FROM consent_act ORDER BY id") == [{"act": "stop_all"}, {"act": "resume"}]
    assert len(await replies(core)) == 1


async def test_who_can_be_reached_again_but_says_nothing_is_told_nothing_yet(core: Core) -> None:
    inbox = make_inbox(core)
    async with working(inbox):
        await inbox.heard(incoming("", number=1, kind=IncomingKind.LEFT))
        await inbox.heard(incoming("", number=2, kind=IncomingKind.RETURNED))
        await all_handled(core, 2)
    assert await fetch(core, "SELECT source FROM opt_out") == []
    assert await replies(core) == []


async def test_coming_back_does_not_take_a_stop_back_that_was_said(core: Core) -> None:
    inbox = make_inbox(core)
    async with working(inbox):
        for number, (text, kind) in enumerate(
            (("DUNG", IncomingKind.TEXT), ("", IncomingKind.LEFT), ("", IncomingKind.JOINED))
        ):
            await inbox.heard(incoming(text, number=number, kind=kind))
        await all_handled(core, 3)
    assert await fetch(core, "SELECT source FROM opt_out") == [{"source": "keyword"}]


async def test_a_text_recorded_before_a_restart_is_answered_after_it(core: Core) -> None:
    await make_inbox(core).heard(incoming("HELP"))
    async with working(make_inbox(core)):
        await all_handled(core, 1)
    assert len(await replies(core)) == 1


async def test_a_process_that_dies_with_a_text_in_hand_leaves_it_to_another(core: Core) -> None:
    dying = make_inbox(core, handling=QUICK)
    await dying.heard(incoming("HELP"))
    assert len(await dying._lease(8)) == 1
    assert await dying._lease(8) == []
    async with working(make_inbox(core, handling=QUICK)):
        rows = await all_handled(core, 1)
    assert rows[0]["attempts"] == 2
    assert len(await replies(core)) == 1


async def test_a_process_that_comes_too_late_writes_nothing(core: Core) -> None:
    slow = make_inbox(core, handling=QUICK)
    await slow.heard(incoming("STOP"))
    (held,) = await slow._lease(8)
    async with working(make_inbox(core, handling=QUICK)):
        await all_handled(core, 1)
    await slow._handle(held)
    assert len(await replies(core)) == 1
    assert len(await fetch(core, "SELECT act FROM consent_act")) == 1


async def test_a_text_we_cannot_answer_ends_in_an_apology_and_blocks_nobody(core: Core) -> None:
    conversation = Failing(core, "poison")
    inbox = make_inbox(core, conversation=conversation, handling=QUICK)
    with capture_logs() as logs:
        async with working(inbox):
            await inbox.heard(incoming("poison", number=1))
            await inbox.heard(incoming("HELP", sender=STRANGER, number=2))
            await inbox.heard(incoming("HELP", number=3))
            rows = await all_handled(core, 3)
    assert conversation.asked == 5
    assert rows[0]["attempts"] == 5
    assert rows[0]["failure"].startswith("ZeroDivisionError at ")
    assert sorted(text.split(",")[0].split(".")[0] for text in await replies(core)) == [
        "Trả lời tự động",
        "Trả lời tự động",
        "Xin lỗi Ông/Bà",
    ]
    assert not any("poison" in str(entry) for entry in logs)


async def test_a_text_that_kills_its_process_five_times_is_not_tried_again(core: Core, database_url: str) -> None:
    conversation = Failing(core, "HELP")
    inbox = make_inbox(core, conversation=conversation, handling=QUICK)
    await inbox.heard(incoming("HELP"))
    owner = await asyncpg.connect(database_url)
    await owner.execute("UPDATE inbound SET attempts = 5")
    await owner.close()
    async with working(inbox):
        await all_handled(core, 1)
    assert conversation.asked == 0
    assert [text.startswith("Xin lỗi") for text in await replies(core)] == [True]


async def test_the_same_words_again_and_again_are_answered_three_times(core: Core) -> None:
    inbox = make_inbox(core)
    async with working(inbox):
        for number in range(6):
            await inbox.heard(incoming("Chao ban, toi da nhan tin", number=number))
        rows = await all_handled(core, 6)
        assert [row["failure"] for row in rows] == [None] * 3 + ["the same words too often"] * 3
        await inbox.heard(incoming("HELP", number=7))
        await all_handled(core, 7)
    assert len(await replies(core)) == 4


@pytest.mark.parametrize(
    "texts",
    [
        ["Tin nhắn tự động: tôi đang họp.", "Xin cảm ơn, đây là tin nhắn tự động.", "Trả lời tự động lần {}"],
        ["I am out of office until Monday", "Auto-reply: driving now", "Automatic response {}"],
        ["Chung toi da nhan duoc tin cua quy khach luc {}:05", "Chung toi da nhan duoc tin cua quy khach luc {}:17"],
        [f"Moi quy khach ghe tham cua hang {shop}" for shop in ("A", "B", "C", "D", "E", "F")],
    ],
)
async def test_a_machine_that_answers_us_is_cut_off_whatever_it_says(core: Core, texts: list[str]) -> None:
    """G44: a loop is cut at three replies, also where every text is another."""
    inbox = make_inbox(core)
    async with working(inbox):
        for number in range(12):
            await inbox.heard(incoming(texts[number % len(texts)].format(number), number=number))
        await all_handled(core, 12)
        assert len(await replies(core)) <= 3
        await inbox.heard(incoming(f"HS {CODE}", number=12))
        rows = await all_handled(core, 13)
    assert rows[-1]["failure"] is None


@pytest.mark.parametrize("echo", ["{}", "{:.50}", "Ban vua gui: {} (10:05)"])
async def test_a_machine_that_repeats_what_we_say_is_cut_off(core: Core, echo: str) -> None:
    """G44: our own words hold a code, so that each of them would be answered as a question of its own."""
    inbox = make_inbox(core)
    async with working(inbox):
        await inbox.heard(incoming(f"HS {CODE}"))
        for number in range(2, 9):
            await all_handled(core, number - 1)
            await inbox.heard(incoming(plain(echo.format((await replies(core))[-1])), number=number))
        rows = await all_handled(core, 8)
        answered = sum(row["failure"] is None for row in rows) - 1
        assert 0 < answered <= 3
        await inbox.heard(incoming(CODE, number=9))
        rows = await all_handled(core, 9)
    assert rows[-1]["failure"] is None


async def test_a_person_who_asks_after_the_same_dossier_all_day_is_answered(core: Core, database_url: str) -> None:
    """By its code, or by sending our own answer back hours later."""
    inbox = make_inbox(core)
    owner = await asyncpg.connect(database_url)
    async with working(inbox):
        for number in range(8):
            text = f"HS {CODE}" if number % 2 == 0 else (await replies(core))[-1]
            await inbox.heard(incoming(text, number=number))
            await all_handled(core, number + 1)
            await owner.execute("UPDATE inbound SET recorded_at = recorded_at - interval '3 hours'")
        rows = await all_handled(core, 8)
    await owner.close()
    assert [row["failure"] for row in rows] == [None] * 8


async def test_different_codes_in_the_same_words_are_no_machine(core: Core) -> None:
    inbox = make_inbox(core)
    async with working(inbox):
        for number in range(6):
            text = f"cho toi hoi ho so H05.16-261102-000{number} den dau roi"
            await inbox.heard(incoming(text, number=number))
        rows = await all_handled(core, 6)
    assert [row["failure"] for row in rows] == [None] * 6


async def test_ten_replies_an_hour_and_thirty_a_day_reach_one_number(core: Core, database_url: str) -> None:
    """G44, by the store: neither a flush of Redis nor another process forgets it."""
    inbox = make_inbox(core, replies=BY_SMS)
    owner = await asyncpg.connect(database_url)
    sent = 0
    async with working(inbox):
        for hour in range(5):
            for number in range(14):
                await inbox.heard(incoming(f"{'EN' if number % 2 else 'VI'}{'.' * number}", number=100 * hour + number))
            await all_handled(core, 14 * (hour + 1))
            sent, before = len(await replies(core)), sent
            assert sent - before == (10 if hour < 3 else 0)
            await owner.execute("UPDATE inbound SET handled_at = handled_at - interval '61 minutes'")
        await owner.execute("UPDATE inbound SET handled_at = handled_at - interval '1 day'")
        await inbox.heard(incoming("HELP", number=999))
        await all_handled(core, 71)
    await owner.close()
    assert len(await replies(core)) == 31


async def test_a_person_gets_so_many_replies_and_a_stop_still_counts(core: Core) -> None:
    inbox = make_inbox(core, replies=ReplyLimits(an_hour=2, a_day=3))
    async with working(inbox):
        for number, text in enumerate(["HELP", CODE, "EN", "STOP"]):
            await inbox.heard(incoming(text, number=number))
        await inbox.heard(incoming("HELP", sender=STRANGER, number=9))
        rows = await all_handled(core, 5)
    assert [row["failure"] for row in rows] == [None, None, "too many replies", "too many replies", None]
    assert len(await replies(core)) == 3
    assert len(await fetch(core, "SELECT 1 FROM opt_out")) == 1


async def test_the_last_reply_for_a_while_says_so(core: Core) -> None:
    inbox = make_inbox(core, replies=ReplyLimits(an_hour=5, a_day=9))
    async with working(inbox):
        for number, text in enumerate(["HELP", "HELP", "HELP", "EN", "VI", "HS"]):
            await inbox.heard(incoming(text, number=number))
        await all_handled(core, 6)
    told = await replies(core)
    assert len(told) == 5
    assert ["Xin nhắn tiếp sau" in text for text in told] == [False, False, False, False, True]
    assert ["Tin này đã trả lời nhiều lần" in text for text in told] == [False, False, True, False, False]


@pytest.mark.parametrize("sender", ["8100", "VNPT", "+842223822456", "+8613800138000", "1900561234"])
async def test_what_is_nobodys_phone_gets_no_reply(core: Core, sender: str) -> None:
    inbox = make_inbox(core)
    async with working(inbox):
        await inbox.heard(incoming("HELP", sender=sender))
        rows = await all_handled(core, 1)
    assert rows[0]["failure"] == "sender may not be answered"
    assert await replies(core) == []


async def test_texts_of_one_sender_stay_in_order_between_processes(core: Core) -> None:
    inboxes = [make_inbox(core, handling=QUICK) for _ in range(3)]
    expected = []
    for number in range(12):
        language = ("EN", "VI")[number % 2]
        expected.append(("We will answer in English", "Từ nay trả lời bằng tiếng Việt")[number % 2])
        await inboxes[0].heard(incoming(f"{language}{'.' * number}", number=number))
    async with working(*inboxes):
        await all_handled(core, 12)
    assert [text.split(".")[0] for text in await replies(core)] == expected


async def test_what_was_asked_is_forgotten_after_a_while(line: Line, office: Office, database_url: str) -> None:
    await office.files()
    citizen = line.citizen(STRANGER)
    await citizen.says("EN")
    await citizen.hears()
    await citizen.says(CODE)
    await citizen.hears()
    owner = await asyncpg.connect(database_url)
    await owner.execute("UPDATE conversation SET expires_at = now()")
    await owner.close()
    await citizen.says("246810")
    assert (await citizen.hears()).startswith("We found no file that matches this number.")


async def test_a_row_whose_key_is_gone_ends_and_blocks_nobody(core: Core) -> None:
    await make_inbox(core).heard(incoming("HELP", number=1))
    async with working(_with_other_keys(core)):
        rows = await all_handled(core, 1)
    assert rows[0]["failure"].startswith("Unsealable at ")
    assert await replies(core) == []


def _with_other_keys(core: Core) -> Inbox:
    inbox = make_inbox(core, handling=QUICK)
    inbox._seal = Seal.from_secret(b"another secret of 32 bytes......")
    return inbox


async def test_what_a_person_sent_stands_nowhere_in_clear(core: Core, database_url: str) -> None:
    identity = "001099012345"
    inbox = make_inbox(core)
    with capture_logs() as logs:
        async with working(inbox):
            await inbox.heard(incoming(identity))
            await all_handled(core, 1)
    owner = await asyncpg.connect(database_url)
    for table in ("inbound", "message", "conversation"):
        rows = str([tuple(row) for row in await owner.fetch(f"SELECT * FROM {table}")])  # noqa: S608 - our own names
        assert identity not in rows
        assert PHONE not in rows
    await owner.close()
    assert identity not in str(logs)
    assert (await replies(core))[0].startswith("Đây có vẻ là số căn cước.")


async def test_without_the_store_nothing_is_taken(database_url: str, core: Core) -> None:
    async with open_database(database_url, roles=(Role.WORKER,)) as database:
        inbox = make_inbox(core)
        inbox._recorder = Recorder(Database(url=database.url, pools=database.pools), core.seal)
        await database.pools[Role.WORKER].close()
        with pytest.raises(Unavailable):
            await inbox.heard(incoming())


async def test_a_text_longer_than_any_sms_is_cut_and_answered(core: Core) -> None:
    inbox = make_inbox(core)
    async with working(inbox):
        await inbox.heard(incoming(f"{CODE} " + "dài " * 5_000))
        await all_handled(core, 1)
    rows = await fetch(core, "SELECT text_sealed FROM inbound")
    assert len(core.seal.open(rows[0]["text_sealed"])) == 4_000
    assert len(await replies(core)) == 1
