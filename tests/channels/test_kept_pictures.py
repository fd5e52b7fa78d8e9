"""A picture sent in a chat is kept with what its sender is filing, and with nothing else."""

import io

import pytest
from PIL import Image

from channels.conversation.feedback_numbers import NOT_KEPT, NOT_KEPT_CARD
from channels.kept_pictures import KeptPictures
from database.pool import Role
from feedback_intake.drafts import MOST_FILES
from tests.channels.story import CODE, Line, Office
from tests.channels.test_inbound import all_handled, replies
from tests.channels.test_telling_the_office import CHAT, in_chat, rows


def photograph(shade: int = 90) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (80, 60), (9, shade, 99)).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def pictures(line: Line) -> KeptPictures:
    """As the service has them."""
    return KeptPictures(line.core.database, line.core.seal)


async def test_a_picture_belongs_to_what_is_being_filed(line: Line, office: Office, pictures: KeptPictures) -> None:
    await office.files()
    assert await pictures.keep(CHAT, photograph()) == ""
    await in_chat(line.inbox, CODE)
    await all_handled(line.core, 1)
    assert await pictures.keep(CHAT, photograph()) == ""  # a code is looked up, nothing is filed
    await in_chat(line.inbox, f"PHAN ANH {CODE} Cán bộ hẹn ba lần rồi", start=1)
    await all_handled(line.core, 2)
    (kept,) = await rows(line.core, "feedback")
    for picture in (photograph(), photograph(), photograph(10)):  # one of them twice
        assert await pictures.keep(CHAT, picture) == kept["number"]
    assert await pictures.keep(CHAT, b"GIF89a") == f"{kept['number']} {NOT_KEPT}"
    assert len(await rows(line.core, "feedback_attachment")) == 2
    await in_chat(line.inbox, kept["number"], start=2)  # what the picture then stands for
    await all_handled(line.core, 3)
    assert "Tệp kèm theo đã nhận: 2." in (await replies(line.core))[-1]
    for start, (says, told) in enumerate(((NOT_KEPT, "không mở được"), (NOT_KEPT_CARD, "căn cước")), 3):
        await in_chat(line.inbox, f"{kept['number']} {says}", start=start)
        await all_handled(line.core, start + 1)
        assert told in (await replies(line.core))[-1]
    for shade in range(20, 20 + MOST_FILES):
        await pictures.keep(CHAT, photograph(shade))
    assert len(await rows(line.core, "feedback_attachment")) == MOST_FILES


async def test_a_picture_long_after_belongs_to_nothing(line: Line, office: Office, pictures: KeptPictures) -> None:
    await office.files()
    await in_chat(line.inbox, f"PHAN ANH {CODE} Cán bộ hẹn ba lần rồi")
    await all_handled(line.core, 1)
    async with line.core.database.connection(Role.WORKER) as connection:
        await connection.execute("UPDATE conversation SET expires_at = expires_at - interval '16 minutes'")
    assert await pictures.keep(CHAT, photograph()) == ""
    assert await rows(line.core, "feedback_attachment") == []
