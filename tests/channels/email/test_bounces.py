"""Bounces read in a mailbox: believed for the letter they bring back, and for no other."""

from collections.abc import AsyncIterator
from email import policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.bounces import BounceKind, returned
from channels.email.channel import EmailChannel, EmailSettings
from channels.email.mailbox import Mailbox
from database.pool import Database
from domain.errors import Malformed, TryLater
from domain.language import Language
from domain.message import DeliveryState
from lookup.sealing import Seal
from notifications.reports import Reports
from tests.channels.email.conftest import AN, PUBLIC_URL, Post, notice
from tests.channels.email.mailbox_server import MailboxServer, mailbox_server
from tests.channels.email.test_channel import queued, state, stopped


@pytest.fixture
async def box() -> AsyncIterator[MailboxServer]:
    async with mailbox_server() as served:
        yield served


@pytest.fixture
def reading(box: MailboxServer, post: Post, database: Database, seal: Seal) -> EmailChannel:
    """The channel, with a mailbox of bounces."""
    return EmailChannel(
        EmailSettings(
            smtp_url=f"smtp://127.0.0.1:{post.port}",
            mail_from="khong-tra-loi@motma.example.vn",
            mail_bounce_url=box.url,
        ),
        reports=Reports(database),
        seal=seal,
        database=database,
        public_url=PUBLIC_URL,
    )


async def read(channel: EmailChannel) -> int:
    """Read what is new: how many letters."""
    assert channel.bounces is not None
    return await channel.bounces.read()


def report(told: str, what: str, original: EmailMessage, *, whole: bool = True) -> bytes:
    """A report of kind `told` as RFC 6522 has it, with the letter or its headers."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in original.items())
    body = original.as_string(policy=policy.SMTP.clone(refold_source="none")) if whole else headers
    return f"""From: MAILER-DAEMON@mx.example.com\r
Subject: Undelivered Mail Returned to Sender\r
Content-Type: multipart/report; report-type={told}; boundary="part"\r
\r
--part\r
Content-Type: text/plain\r
\r
Sorry.\r
--part\r
Content-Type: message/{told}\r
\r
{what}\r
--part\r
Content-Type: {"message/rfc822" if whole else "text/rfc822-headers"}\r
\r
{body}\r
--part--\r
""".encode()


def bounce(original: EmailMessage, action: str = "failed", status: str = "5.1.1", *, whole: bool = True) -> bytes:
    """A delivery report (RFC 3464)."""
    told = f"Reporting-MTA: dns; mx.example.com\r\n\r\nAction: {action}\r\nStatus: {status} (unknown)\r\n"
    return report("delivery-status", told, original, whole=whole)


async def sent(channel: EmailChannel, post: Post, message_id: int) -> EmailMessage:
    """The letter of a message, as its server has it."""
    await channel.send(notice(message_id=message_id))
    return post.letters[-1]


@pytest.mark.parametrize("whole", [True, False])
async def test_a_letter_that_comes_back_ends_the_notices_to_that_address(
    reading: EmailChannel, box: MailboxServer, post: Post, database: Database, seal: Seal, whole: bool
) -> None:
    message_id = await queued(database, seal)
    letter = await sent(reading, post, message_id)
    box.arrives(b"Subject: hello\r\n\r\nI am on holiday.\r\n")
    box.arrives(bounce(letter, whole=whole))
    assert await read(reading) == 2
    assert await state(database, message_id) == DeliveryState.FAILED
    assert await stopped(database, seal) == ["left"]
    assert box.read == {1, 2}
    assert await read(reading) == 0
    assert "0 unread" in await reading.examine()


async def test_a_full_mailbox_or_a_delay_ends_nothing(
    reading: EmailChannel, box: MailboxServer, post: Post, database: Database, seal: Seal
) -> None:
    message_id = await queued(database, seal)
    letter = await sent(reading, post, message_id)
    box.arrives(bounce(letter, "delayed", "4.2.2"))
    await read(reading)
    assert await state(database, message_id) == DeliveryState.ON_ITS_WAY
    box.arrives(bounce(letter, "failed", "5.2.2"))
    await read(reading)
    assert await state(database, message_id) == DeliveryState.FAILED
    assert await stopped(database, seal) == []


async def test_who_guesses_numbers_stops_nobody(
    reading: EmailChannel, box: MailboxServer, post: Post, database: Database, seal: Seal
) -> None:
    """A letter of one's own is no proof for somebody else's."""
    message_id = await queued(database, seal)
    letter = await sent(reading, post, message_id)
    for url in (reading.links.url("mallory@example.com", Language.VIETNAMESE), f"{PUBLIC_URL}/email/stop/AAAA", "x"):
        forged = EmailMessage()
        forged["Message-ID"], forged["List-Unsubscribe"] = letter["Message-ID"], f"<{url}>"
        forged.set_content("x")
        box.arrives(bounce(forged))
    bare = EmailMessage()
    bare["Message-ID"] = letter["Message-ID"]
    bare.set_content("x")
    box.arrives(bounce(bare))
    assert await read(reading) == 4
    assert await state(database, message_id) == DeliveryState.QUEUED
    assert await stopped(database, seal) == []


async def test_a_mailbox_that_is_away_keeps_its_letters(
    reading: EmailChannel, box: MailboxServer, post: Post, database: Database, seal: Seal
) -> None:
    box.arrives(bounce(await sent(reading, post, await queued(database, seal))))
    box.away = True
    with pytest.raises(TryLater):
        await read(reading)
    box.away, box.password = False, "another-word"
    with pytest.raises(TryLater, match="refuses"):
        await read(reading)
    assert box.read == set()


def test_a_complaint_is_told() -> None:
    letter = EmailMessage()
    letter["Message-ID"], letter["List-Unsubscribe"] = "<1@motma.example.vn>", f"<{PUBLIC_URL}/email/stop/abc>"
    letter.set_content("x")
    found = returned(report("feedback-report", "Feedback-Type: abuse\r\n", letter))
    assert found is not None
    assert (found.kind, found.message_id, found.token) == (BounceKind.COMPLAINED, "<1@motma.example.vn>", "abc")


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_no_letter_breaks_the_reader(raw: bytes) -> None:
    head = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    assert returned(raw) is None
    assert returned(head + raw + b"\r\n--b--") is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "imap://u:p@mx.example.vn/INBOX",
        "pop3://u:p@127.0.0.1",
        "imaps://mx.example.vn",
        "imaps://u:p@:x/",
        "x" * 50,
    ],
)
def test_a_mailbox_that_cannot_be_read_safely_is_refused(url: str) -> None:
    with pytest.raises(Malformed, match="MOTMA_MAIL_BOUNCE_URL"):
        Mailbox.of(url, "MOTMA_MAIL_BOUNCE_URL")


def test_a_mailbox_and_its_folder() -> None:
    box = Mailbox.of("imaps://bounces%40a.vn:p%3Ass@mx.a.vn/Th%C6%B0%20tr%E1%BA%A3", "MOTMA_MAIL_BOUNCE_URL")
    assert (box.username, box.password, box.port, box.tls) == ("bounces@a.vn", "p:ss", 993, True)
    assert "p:ss" not in repr(box)
    assert AN.address not in repr(box)
