"""Letters people write, read in a mailbox: each kept once before it is marked as read, and none holds up another."""

from collections.abc import AsyncIterator

import pytest

from channels.email.intake import MOST_LETTER
from channels.email.mailbox import MailboxReader
from domain.errors import TryLater, Unavailable
from service.feedback import FeedbackService
from service.settings import Settings
from service.wiring import Core
from tests.channels.email.mailbox_server import MailboxServer, mailbox_server
from tests.channels.email.test_intake import TEXT, rows, written


@pytest.fixture
async def box() -> AsyncIterator[MailboxServer]:
    async with mailbox_server() as served:
        yield served


@pytest.fixture
def reader(core: Core, box: MailboxServer) -> MailboxReader:
    """What reads it, as the service puts it together."""
    mail = FeedbackService.of(core, Settings(mail_inbox_url=box.url)).mail
    assert mail is not None
    assert not list(mail.routes())
    assert mail.reader is not None
    return mail.reader


async def test_letters_are_kept_answered_and_marked(core: Core, box: MailboxServer, reader: MailboxReader) -> None:
    box.arrives(written())
    box.arrives(written(TEXT, {"Auto-Submitted": "auto-replied", "Message-ID": "<2@example.vn>"}))
    assert await reader.read() == 2
    assert box.read == {1, 2}
    assert await reader.read() == 0
    (kept,) = await rows(core, "feedback")
    (message,) = await rows(core, "message")
    assert kept["number"] in core.seal.open(message["text_sealed"])


async def test_a_letter_that_was_kept_but_not_marked_is_known_again(
    core: Core, box: MailboxServer, reader: MailboxReader
) -> None:
    """As after a crash between the two."""
    box.arrives(written())
    await reader.read()
    box.read.clear()
    assert await reader.read() == 1
    assert len(await rows(core, "feedback")) == 1
    assert len(await rows(core, "message")) == 1
    assert box.read == {1}


async def test_what_cannot_be_read_waits_for_a_person_and_holds_up_nobody(
    core: Core, box: MailboxServer, reader: MailboxReader
) -> None:
    box.arrives(b"From: \xff\xfe\r\n\r\nx")
    box.arrives(written())
    assert await reader.read() == 2
    assert (box.flagged, box.read) == ({1}, {2})
    assert await reader.read() == 0
    assert len(await rows(core, "feedback")) == 1


async def test_while_the_store_is_away_letters_stay_new(core: Core, box: MailboxServer, reader: MailboxReader) -> None:
    box.arrives(written())
    password, box.password = box.password, "another-word"
    with pytest.raises(TryLater):
        await reader.read()
    box.password = password

    async def away(_: bytes) -> None:
        raise Unavailable("The store cannot be reached.")

    with pytest.raises(Unavailable):
        await MailboxReader(reader.mailbox, away, most=MOST_LETTER).read()
    assert (box.read, box.flagged) == (set(), set())
    assert await reader.read() == 1


async def test_of_a_letter_that_is_too_large_the_words_are_kept(
    core: Core, box: MailboxServer, reader: MailboxReader
) -> None:
    box.arrives(written(TEXT, files=(("a.mp3", b"ID3" + bytes(MOST_LETTER)),)))
    assert await reader.read() == 1
    (kept,) = await rows(core, "feedback")
    assert core.seal.open(kept["text_sealed"]).endswith(TEXT)
    assert await rows(core, "feedback_attachment") == []
    assert "a.mp3" in core.seal.open((await rows(core, "message"))[-1]["text_sealed"])
