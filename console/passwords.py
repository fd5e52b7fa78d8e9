"""Officers' passwords: argon2id by the OWASP minimum, a few at a time, beside the event loop."""

import asyncio
from secrets import choice

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import Invalid
from domain.vietnamese import folded

SHORTEST, LONGEST = 12, 128  # characters; NIST SP 800-63B asks for length, not for kinds of characters
AT_ONCE = 2  # each verification takes 19 MiB and 25 ms of a core: many at once would be an attack on ourselves

# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html: 19 MiB, two passes, one lane
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# What is verified where there is no account, so that it takes as long.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$Ro3KBWZPcPcOlg9CCje3Ng$khtgZiUSyh3vO8edGzpJowABz/NTid/1n4BW5xICUts"
_COMMON = frozenset(
    {"matkhau", "password", "qwerty", "abcdef", "iloveyou", "admin", "123456", "vietnam", "motma", "hoso", "canbo"}
)
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another


class Passwords:
    """Makes and verifies digests; at most `AT_ONCE` at a time in this process."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def digest(self, password: str) -> str:
        """What is stored of `password`."""
        async with self._turn:
            return await asyncio.to_thread(_hasher.hash, password)

    async def fits(self, password: str, kept: str | None) -> bool:
        """Whether `kept` is of `password`; without one the answer is no, and takes as long."""
        async with self._turn:
            right = await asyncio.to_thread(_verify, kept or _NOBODY, password[: LONGEST * 4])
        return right and kept is not None


def outdated(kept: str) -> bool:
    """Whether `kept` was made with weaker parameters than are in use now."""
    return _hasher.check_needs_rehash(kept)


def checked(password: str, *, email: str) -> str:
    """`password` if it may be used. Raises `Invalid` with why not; the sentence is `PasswordFault`'s."""
    if len(password) < SHORTEST:
        raise Invalid("password.short", field="password")
    if len(password) > LONGEST:
        raise Invalid("password.long", field="password")
    plain = folded(password).replace(" ", "")
    rest = plain
    for word in (*_COMMON, folded(email.partition("@")[0])):
        rest = rest.replace(word, "") if len(word) > 2 else rest
    if len(set(plain)) < 5 or len(rest.strip("0123456789!@#.")) < 4:
        raise Invalid("password.guessable", field="password")
    return password


def given() -> str:
    """A password for somebody else to sign in with once and then to replace: 95 bits, easy to read out."""
    return "-".join("".join(choice(_LETTERS) for _ in range(5)) for _ in range(4))


def _verify(kept: str, password: str) -> bool:
    try:
        return _hasher.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False
