"""Letters: readable by any mail program, stopped by one click, and believed when they come back."""

import socket
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.utils import parsedate_to_datetime

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from standardwebhooks import Webhook

from channels.email.channel import EmailChannel, EmailSettings
from channels.email.letters import address_of, letter
from channels.email.server import MailServer, refusal
from channels.email.stopping import StopLinks
from database.pool import Database, Role
from domain.errors import Gone, InDoubt, Malformed, TryLater, Undeliverable
from domain.language import Language
from domain.message import DeliveryState, MessageKind
from lookup.sealing import Seal
from notifications.callbacks.receivers import made_secret
from notifications.outbox import Outbox
from notifications.reports import Reports
from tests.channels.email.conftest import AN, HOOK_SECRET, PUBLIC_URL, Post, notice

Client = TestClient[web.Request, web.Application]


async def test_a_letter_says_the_same_in_text_and_html(channel: EmailChannel, post: Post) -> None:
    taken = await channel.send(notice("Hồ sơ H05.16-1: <b>đã</b> có kết quả.\nMời Ông/Bà đến nhận."))
    assert taken.provider_id is None
    (letter,) = post.letters
    assert post.recipients == ["an.nguyen@example.com"]
    assert letter["Subject"] == "Hồ sơ H05.16-1: Đã có kết quả"
    assert letter["From"] == "Một Mã <khong-tra-loi@motma.example.vn>"
    assert letter["Message-ID"] == "<4711@motma.example.vn>"
    assert (letter["Auto-Submitted"], letter["Content-Language"]) == ("auto-generated", "vi")
    assert abs((parsedate_to_datetime(letter["Date"]) - datetime.now(UTC)).total_seconds()) < 60
    text, html = letter.get_body(("plain",)), letter.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "Mời Ông/Bà đến nhận." in text.get_content()
    assert "&lt;b&gt;đã&lt;/b&gt; có kết quả.<br>" in html.get_content()
    assert "<script" not in html.get_content()
    url = letter["List-Unsubscribe"].strip("<>")
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert url in text.get_content()
    assert url.startswith(f"{PUBLIC_URL}/email/stop/")
    assert "an.nguyen" not in url


async def test_what_is_no_notice_has_a_plain_subject_and_english_words(channel: EmailChannel, post: Post) -> None:
    await channel.send(notice("Your code is 123456", facts={}, language=Language.ENGLISH))
    (letter,) = post.letters
    assert letter["Subject"] == "A message from Một Mã"
    assert letter["Content-Language"] == "en"
    assert letter["List-Unsubscribe"].endswith("?lang=en>")


def test_the_way_to_stop_stands_in_clear_for_mail_programs(seal: Seal) -> None:
    """RFC 2369: an address in angle brackets. Python would fold it into encoded words, and decode those in tests."""
    url = StopLinks(seal, PUBLIC_URL).url("a" * 60 + "@example.com", Language.VIETNAMESE)
    made = letter(notice(), sender=Address(addr_spec="a@motma.example.vn"), stop_url=url, now=datetime.now(UTC))
    assert f"\r\nList-Unsubscribe: <{url}>\r\n".encode() in made.as_bytes()
    assert all(len(line) <= 998 for line in made.as_bytes().split(b"\r\n"))


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("550 5.1.1 No such user", Gone),
        ("550 no such user", Gone),
        ("552 5.2.2 Mailbox full", Undeliverable),
        ("554 5.7.1 Looks like spam", Undeliverable),
        ("450 4.2.0 Greylisted", TryLater),
    ],
)
async def test_a_refused_recipient_means_what_its_code_says(
    channel: EmailChannel, post: Post, said: str, meaning: type[Exception]
) -> None:
    post.refuses = said
    with pytest.raises(meaning) as refused:
        await channel.send(notice())
    assert type(refused.value) is meaning
    assert post.letters == []


async def test_a_refused_letter_is_not_in_doubt_but_a_silent_end_is(channel: EmailChannel, post: Post) -> None:
    post.refuses_letter = "554 5.6.0 No"
    with pytest.raises(Undeliverable):
        await channel.send(notice())
    post.goes_silent = True
    with pytest.raises(InDoubt):
        await channel.send(notice())


async def test_without_a_server_it_is_tried_later(database: Database, seal: Seal) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = MailServer.of(f"smtp://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(TryLater):
            await server.greet("motma.example.vn")


async def test_a_server_elsewhere_must_speak_tls(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MailServer, "near", False)
    with pytest.raises(TryLater, match="TLS"):
        await MailServer.of(f"smtp://127.0.0.1:{post.port}").greet("motma.example.vn")


async def test_doctor_hears_that_the_server_takes_letters(channel: EmailChannel, post: Post) -> None:
    assert await channel.examine() == f"127.0.0.1:{post.port} takes letters"


@pytest.mark.parametrize(
    "address",
    ["a@b@c.vn", "@c.vn", "nobody", "a b@c.vn", "a@c.vn\r\nBcc: b@c.vn", "a,b@c.vn", "ân@c.vn", "a@", "<a@c.vn>"],
)
def test_what_is_no_address_gets_no_letter(address: str) -> None:
    with pytest.raises(Undeliverable):
        address_of(address)


def test_a_domain_of_any_script_is_written_in_ascii() -> None:
    local, _, domain = str(address_of("an@hồsơ.vn")).partition("@")
    assert (local, domain.startswith("xn--"), domain.encode().decode("idna")) == ("an", True, "hồsơ.vn")


@pytest.mark.parametrize("url", ["", "mx.example.com", "http://mx.example.com", "smtp://", "smtp://a:port"])
def test_a_server_that_is_none_is_told(url: str) -> None:
    with pytest.raises(Malformed, match="MOTMA_SMTP_URL"):
        MailServer.of(url)


def test_user_and_password_are_read_from_the_address() -> None:
    server = MailServer.of("smtps://motma%40a.vn:p%3Aq@mx.example.com")
    assert (server.port, server.tls, server.username, server.password) == (465, True, "motma@a.vn", "p:q")
    assert "p:q" not in repr(server)


# --- stopping ---


async def stopped(database: Database, seal: Seal) -> list[str]:
    """How An's letters were stopped."""
    async with database.transaction(Role.OPERATOR) as connection:
        rows = await connection.fetch("SELECT source FROM opt_out WHERE contact_digest = $1", seal.contact(AN))
    return [row["source"] for row in rows]


def path(channel: EmailChannel) -> str:
    """Where An stops."""
    return channel.links.url(AN.address, Language.VIETNAMESE).removeprefix(PUBLIC_URL)


async def test_opening_the_link_stops_nothing_the_button_does(
    channel: EmailChannel, client: Client, database: Database, seal: Seal
) -> None:
    asked = await client.get(path(channel))
    assert asked.status == 200
    page = await asked.text()
    assert '<form method="post">' in page
    assert 'class="site-head"' in page
    assert "an.nguyen" not in page
    assert await stopped(database, seal) == []
    assert (await client.post(path(channel))).status == 200
    assert await stopped(database, seal) == ["unsubscribe"]


async def test_one_click_of_a_mail_program_is_enough_and_twice_is_the_same(
    channel: EmailChannel, client: Client, database: Database, seal: Seal
) -> None:
    for _ in range(2):
        answer = await client.post(path(channel), data={"List-Unsubscribe": "One-Click"})
        assert answer.status == 200
    assert await stopped(database, seal) == ["unsubscribe"]
    async with database.transaction(Role.OPERATOR) as connection:
        assert await connection.fetchval("SELECT count(*) FROM consent_act WHERE act = 'stop_all'") == 1


async def test_a_made_up_link_stops_nothing(
    channel: EmailChannel, client: Client, database: Database, seal: Seal
) -> None:
    good = path(channel)
    changed = good[:-3] + ("AAA" if not good.endswith("AAA") else "BBB")
    other = "/email/stop/" + "A" * 80
    for wrong in (changed, other, "/email/stop/%00", "/email/stop/" + "é" * 5, "/email/stop/" + "A" * 2000):
        assert (await client.get(wrong)).status == 404
        assert (await client.post(wrong)).status == 404
    assert await stopped(database, seal) == []


# --- what comes back ---


async def queued(database: Database, seal: Seal) -> int:
    """A message to An in the store; its id."""
    async with database.transaction(Role.WORKER) as connection:
        made = await Outbox(seal).queue(connection, AN, "x", kind=MessageKind.REPLY, expires_in=timedelta(hours=1))
    assert made is not None
    return made


async def told(client: Client, said: object, *, secret: str = HOOK_SECRET) -> int:
    """The status of the answer to a report."""
    body = msgspec.json.encode(said)
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "b1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("b1", now, body.decode()),
    }
    return (await client.post("/webhooks/email", data=body, headers=headers)).status


async def state(database: Database, message_id: int) -> int:
    """Its state."""
    async with database.transaction(Role.OPERATOR) as connection:
        return int(await connection.fetchval("SELECT state FROM message WHERE id = $1", message_id))


async def test_a_bounce_is_written_down_and_nobody_there_ends_letters(
    client: Client, database: Database, seal: Seal
) -> None:
    message_id = await queued(database, seal)
    name = f"<{message_id}@motma.example.vn>"
    assert await told(client, {"type": "delayed", "message_id": name}) == 200
    assert await state(database, message_id) == DeliveryState.ON_ITS_WAY
    assert await told(client, {"type": "bounced", "message_id": name, "reason": "Mailbox full"}) == 200
    assert await state(database, message_id) == DeliveryState.FAILED
    assert await stopped(database, seal) == []
    assert await told(client, {"type": "bounced", "message_id": name, "no_such_address": True}) == 200
    assert await stopped(database, seal) == ["left"]


async def test_a_complaint_ends_letters(client: Client, database: Database, seal: Seal) -> None:
    message_id = await queued(database, seal)
    assert await told(client, {"type": "complained", "message_id": f"{message_id}@motma.example.vn"}) == 200
    assert await stopped(database, seal) == ["left"]


async def test_forged_foreign_and_unreadable_reports_change_nothing(
    client: Client, database: Database, seal: Seal
) -> None:
    message_id = await queued(database, seal)
    good = {"type": "bounced", "message_id": f"<{message_id}@motma.example.vn>", "no_such_address": True}
    assert await told(client, good, secret=made_secret()) == 401
    assert (await client.post("/webhooks/email", data=msgspec.json.encode(good))).status == 401
    for name in (f"<{message_id}@other.vn>", "<999999@motma.example.vn>", "", "<-1@motma.example.vn>", "<" + "9" * 40):
        assert await told(client, {**good, "message_id": name}) == 200
    assert await told(client, {"type": "exploded", "message_id": "x"}) == 400
    assert await told(client, []) == 400
    assert await state(database, message_id) == DeliveryState.QUEUED
    assert await stopped(database, seal) == []


def test_refusals_in_words_no_standard_knows() -> None:
    assert type(refusal(550, "")) is Gone
    assert type(refusal(521, "")) is Undeliverable
    assert type(refusal(421, "4.3.2 closing")) is TryLater


def test_it_is_off_without_a_server_and_has_no_reports_without_a_secret(database: Database, seal: Seal) -> None:
    assert EmailSettings().smtp_url is None
    channel = EmailChannel(
        EmailSettings(smtp_url="smtp://127.0.0.1:2525", mail_from="a@b.vn"),
        reports=Reports(database),
        seal=seal,
        database=database,
        public_url=PUBLIC_URL,
    )
    assert list(channel.routes()) == []


async def test_a_letter_about_feedback_names_it_and_may_be_answered(post: Post, database: Database, seal: Seal) -> None:
    channel = EmailChannel(
        EmailSettings(
            smtp_url=f"smtp://127.0.0.1:{post.port}",
            mail_from="khong-tra-loi@motma.example.vn",
            mail_reply_to="gop-y@motma.example.vn",
        ),
        reports=Reports(database),
        seal=seal,
        database=database,
        public_url=PUBLIC_URL,
    )
    await channel.send(notice("Sở Tư pháp cần Ông/Bà cho biết thêm về PA-261122-123456: ngày nào?", facts={}))
    (letter,) = post.letters
    assert letter["Subject"] == "Phản ánh, kiến nghị PA-261122-123456"
    assert letter["Reply-To"] == "gop-y@motma.example.vn"
    assert "xin không trả lời" not in letter.as_string()
    text = letter.get_body(("plain",))
    assert text is not None
    assert "trả lời đến nơi nhận phản ánh" in text.get_content()


@pytest.mark.parametrize(
    ("inbox", "answers_to"), [("imaps://u:p@host:993/INBOX", "mot-ma@motma.example.vn"), (None, None)]
)
async def test_where_letters_are_read_ours_may_be_answered(
    post: Post, database: Database, seal: Seal, inbox: str | None, answers_to: str | None
) -> None:
    settings = EmailSettings(
        smtp_url=f"smtp://127.0.0.1:{post.port}", mail_from="mot-ma@motma.example.vn", mail_inbox_url=inbox
    )
    channel = EmailChannel(settings, reports=Reports(database), seal=seal, database=database, public_url=PUBLIC_URL)
    await channel.send(notice("Sở Tư pháp cần Ông/Bà cho biết thêm về PA-261122-123456: ngày nào?", facts={}))
    (letter,) = post.letters
    assert letter["Reply-To"] == answers_to
