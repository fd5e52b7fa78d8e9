"""What a person may answer with one tap, or where nothing can be tapped, with one digit."""

import re
from collections.abc import Iterable, Sequence

from channels.conversation.answers import WORDS
from channels.conversation.turn import Said
from domain.language import Language
from domain.message import LONGEST_CHOICE, Choice
from domain.status import Stage
from lookup.disclosure import Answer

_DIGIT = re.compile(r"\(?\s*([1-9])\s*[.):]?")


def choice(language: Language, key: str, says: str) -> tuple[Choice, ...]:
    """The choice of that label; nothing where what it says is longer than channels carry."""
    if len(says.encode()) > LONGEST_CHOICE:
        return ()
    return (Choice(label=WORDS.say(language, f"choice.{key}"), says=says),)


def after_answer(answer: Answer, language: Language, *, followed: bool) -> tuple[Choice, ...]:
    """What may come next when a dossier was told: what helps most first, for some channels show three at most."""
    code = answer.code
    offered: list[Choice] = []
    if answer.proven is None:
        offered += choice(language, "prove", f"XEM THEM {code}")
    if answer.stage in {Stage.DONE, Stage.CLOSED}:
        offered += choice(language, "rate", f"DANH GIA {code}")
    elif not followed:
        offered += choice(language, "follow", f"THEO DOI {code}")
    if followed and answer.stage is not Stage.CLOSED:
        offered += choice(language, "mute", f"BO {code}")
    offered += choice(language, "feedback", f"GOP Y {code}")
    return tuple(offered)


def dossiers(codes: Sequence[str], language: Language, command: str = "") -> tuple[Choice, ...]:
    """One choice for each of `codes`, in order: that command about it. The text numbers them."""
    said = [f"{command} {code}".strip() for code in codes]
    return tuple(
        Choice(label=WORDS.say(language, "choice.dossier", n=n), says=says)
        for n, says in enumerate(said, 1)
        if len(says.encode()) <= LONGEST_CHOICE
    )


def yes_and_no(language: Language) -> tuple[Choice, ...]:
    """The two answers."""
    return (*choice(language, "yes", "CO"), *choice(language, "no", "KHONG"))


def numbered(text: str, options: Iterable[Choice], language: Language) -> str:
    """`text` with its options as numbers behind it: 'Trả lời: 1 Có, 2 Không.'"""
    listed = ", ".join(f"{n} {option.label}" for n, option in enumerate(options, 1))
    return f"{text} {WORDS.say(language, 'choice.numbered', options=listed)}"


def tapped(said: Said) -> str:
    """The words that a bare digit stands for, if the last text numbered its choices; else the text as it is."""
    digit = _DIGIT.fullmatch(said.text.strip())
    offered = said.remembered.offered
    if digit is None or int(digit[1]) > len(offered):
        return said.text
    return offered[int(digit[1]) - 1]
