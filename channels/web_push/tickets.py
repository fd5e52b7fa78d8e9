"""What a page that a proof opened may do: have this browser told of its dossier. It is good for an hour."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from channels.web_push.vapid import b64url, from_b64url
from domain.civil_time import utc_now
from lookup.sealing import Seal, Unsealable
from lookup.wording import Words

PACKAGE = "channels.web_push"  # whose template, words and script the pages use
WORDS = Words(PACKAGE)
GOOD_FOR = timedelta(hours=1)
LONGEST = 400  # characters
_PURPOSE = "web push"


class Tickets:
    """Makes and reads them; `key` is the public key that browsers subscribe with, `say` the words of this folder.

    Templates find it as `push`. Who gives a ticket knows that its reader has proven a right to the dossier.
    """

    def __init__(self, seal: Seal, key: str, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.key = key
        self.say = WORDS.say
        self._seal = seal
        self._clock = clock

    def ticket(self, code: str) -> str:
        """For the holder of that dossier."""
        until = int((self._clock() + GOOD_FOR).timestamp())
        return b64url(self._seal.seal(f"{_PURPOSE}\n{until}\n{code}"))

    def code(self, ticket: str) -> str | None:
        """The dossier of a ticket; None for one that is not ours, or no longer good."""
        if len(ticket) > LONGEST:
            return None
        try:
            purpose, until, code = self._seal.open(from_b64url(ticket)).split("\n")
        except (ValueError, Unsealable):
            return None
        good = purpose == _PURPOSE and datetime.fromtimestamp(int(until), UTC) > self._clock()
        return code if good else None
