"""The chats in `chats/*.txt`, line by line. They are written to be read by people who read no Python.

`citizen>` what a person sends (`tap>` a button, `joins>` the chat, `shares phone>` that the platform vouches for)
`we>`      what we answer, further lines of it behind `|`; by SMS without accents, as it travels
`buttons>` what may be tapped under it
`done>`    what is done beside answering
`--`       circumstances: who texts, by what, about which dossiers, and what happens in between
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from channels.conversation.turn import Manner, Told
from channels.sms.manner import SMS_MANNER
from channels.sms.segments import segments
from domain.language import Language
from domain.message import LONGEST_CHOICE, IncomingKind
from domain.status import Status
from tests.channels.conversation.chatting import Chat, in_words
from tests.channels.conversation.paper_desk import PHONE, PaperDesk, dossier

FOLDER = Path(__file__).parent / "chats"
LONGEST_LABEL = 20  # characters: what WhatsApp and Messenger show on a button

_LINE = re.compile(r"(citizen|tap|joins|shares phone|we|buttons|done)>\s?(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One chat of a file."""

    title: str
    file: str
    lines: tuple[str, ...]


def stories() -> Iterator[Story]:
    """Every chat of every file."""
    for path in sorted(FOLDER.glob("*.txt")):
        for part in re.split(r"^== ", path.read_text("utf-8"), flags=re.MULTILINE)[1:]:
            title, *lines = part.splitlines()
            kept = tuple(line for line in lines if line.strip() and not line.startswith("#"))
            yield Story(title=title, file=path.stem, lines=kept)


def arrange(chat: Chat, words: str) -> Chat:
    """The chat under the circumstances of a `--` line."""
    if words == "in a chat with buttons":
        return Chat(phone="chat-1", desk=chat.desk, manner=Manner())
    if words == "in a chat without buttons":
        return Chat(phone="chat-1", desk=chat.desk, manner=Manner(buttons=False))
    if words == "from the registered phone":
        return Chat(phone=PHONE, desk=chat.desk, manner=chat.manner)
    if words == "in English":
        chat.last = type(chat.last)(reply="", language=Language.ENGLISH)
    elif words == "20 minutes later":
        chat.waits()
    elif words == "all notices are stopped":
        chat.stopped = True
    elif words.startswith("the hotline is "):
        chat.hotline = words.removeprefix("the hotline is ")
    elif words.startswith("a notice comes, of "):
        chat.told = Told(code=words.removeprefix("a notice comes, of "), proven=chat.phone == PHONE)
    elif words.startswith("follows "):
        chat.followed = tuple(words.removeprefix("follows ").split(", "))
    elif words.startswith("dossiers: "):
        named = [entry.split(" ") for entry in words.removeprefix("dossiers: ").split(", ")]
        desk = PaperDesk([dossier(code, Status[status.upper()]) for code, status in named])
        return Chat(phone=chat.phone, desk=desk, manner=chat.manner)
    else:
        raise ValueError(words)
    return chat


async def told(story: Story) -> list[str]:
    """The chat as it really goes: the lines of the person, and what we do and say."""
    chat, script = Chat(), []
    for line in story.lines:
        if line.startswith("-- "):
            chat = arrange(chat, line.removeprefix("-- "))
            script.append(line)
            continue
        spoken = _LINE.fullmatch(line)
        if spoken is None or spoken[1] in {"we", "buttons", "done"}:
            continue
        script.append(line)
        match spoken[1]:
            case "tap":
                reply = await chat.taps(spoken[2])
            case "joins":
                reply = await chat.says("", IncomingKind.JOINED)
            case "shares phone":
                reply = await chat.says(spoken[2], IncomingKind.OWN_PHONE)
            case _:
                reply = await chat.says(spoken[2])
        first, *more = reply.split("\n")
        script += [f"we> {first}", *(f"  | {rest}" for rest in more)]
        if chat.last.choices:
            script.append("buttons> " + " | ".join(choice.label for choice in chat.last.choices))
        script += [f"done> {in_words(act)}" for act in chat.last.acts]
        check(chat)
    return script


def check(chat: Chat) -> None:
    """What holds for every reply."""
    assert chat.last.reply
    if chat.manner is SMS_MANNER:
        assert segments(chat.last.reply).count == 1 or chat.manner.fits(chat.last.reply), chat.last.reply
        assert not chat.last.choices
    for choice in chat.last.choices:
        assert len(choice.says.encode()) <= LONGEST_CHOICE
        assert len(choice.label) <= LONGEST_LABEL, choice.label


@pytest.mark.parametrize("story", list(stories()), ids=lambda story: f"{story.file}: {story.title}")
async def test_a_chat_goes_as_it_is_written(story: Story) -> None:
    assert "\n".join(await told(story)) == "\n".join(story.lines)
