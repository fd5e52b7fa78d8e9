"""Turns in ready words, with what may be tapped or answered by number under them."""

from channels.conversation.answers import WORDS
from channels.conversation.choices import dossiers, numbered
from channels.conversation.turn import Act, Remembered, Said, Turn
from domain.language import Language
from domain.message import Choice


class Replies:
    """Makes turns. `hotline` is the phone named to people who need a person where no office is known."""

    def __init__(self, hotline: str = "") -> None:
        self._hotline = hotline

    def turn(
        self,
        said: Said,
        key: str,
        *,
        acts: tuple[Act, ...] = (),
        remember: Remembered | None = None,
        choices: tuple[Choice, ...] = (),
        options: tuple[Choice, ...] = (),
        **values: object,
    ) -> Turn:
        """A turn in the words of `key`; in those of `key.buttons`, which leave unsaid what can be tapped, or of
        `key.full` where there are such words and the channel has buttons, or room. What was remembered stays so unless
        `remember` replaces it.

        `options` answer the question that the words ask; `choices` are what else may come next.
        """
        variants = (("buttons", said.manner.buttons), ("full", not said.manner.brief))
        longer = (f"{key}.{variant}" for variant, suits in variants if suits)
        key = next((words for words in longer if WORDS.has(said.language, words)), key)
        reply = WORDS.say(said.language, key, ask=self.ask(said.language), **values)
        remember = said.remembered if remember is None else remember
        return self.of(said, reply, acts=acts, remember=remember, choices=choices, options=options)

    def of(
        self,
        said: Said,
        reply: str,
        *,
        remember: Remembered,
        acts: tuple[Act, ...] = (),
        choices: tuple[Choice, ...] = (),
        options: tuple[Choice, ...] = (),
    ) -> Turn:
        """The same in words made elsewhere."""
        if said.manner.buttons:
            return Turn(reply=reply, language=said.language, acts=acts, remember=remember, choices=(*options, *choices))
        if options and said.manner.fits(longer := numbered(reply, options, said.language)):
            reply = longer
        return Turn(reply=reply, language=said.language, acts=acts, remember=remember)

    def which(self, said: Said, key: str, codes: tuple[str, ...], command: str, remember: Remembered) -> Turn:
        """Which of `codes` is meant: a numbered list; the answer is `command` and a code."""
        listed = "\n".join(f"{n}. {code}" for n, code in enumerate(codes, 1))
        reply = f"{WORDS.say(said.language, key)}\n{listed}"
        options = dossiers(codes, said.language, command)
        return Turn(
            reply=reply,
            language=said.language,
            choices=options if said.manner.buttons else (),
            remember=remember,
        )

    def ask(self, language: Language) -> str:
        """Where to ask when no office is known."""
        if self._hotline:
            return WORDS.say(language, "ask.hotline", phone=self._hotline)
        return WORDS.say(language, "ask.where_filed")
