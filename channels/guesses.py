"""Guessing costs: the one desk of every channel where anybody may try codes and proofs (guarantees G40-G42).

A code alone says little, but that it exists; so unknown codes draw on two budgets, that of who asks and that of all
codes of one office and day. Once one is spent, codes alone are refused there before anything is looked up, known and
unknown alike; who has a proof, a receipt or the registered phone is answered all the same. Normally a miss is counted
after it happened, so that a hit asks Redis nothing. From half of a budget on each look-up pays before it looks, and is
paid back when it finds something: then no number of look-ups at once finds more than the budget leaves. Where nobody
missed yet a few more are looked up together, so that a slow store refuses no crowd of one office and day.
"""

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from typing import Generic, Protocol, TypeAlias, TypeVar

import prometheus_client
import structlog

from cache.budgets import MISSES_PER_ORIGIN, MISSES_PER_PREFIX, WRONG_PROOFS_PER_DOSSIER, WRONG_PROOFS_PER_ORIGIN
from cache.limits import Limit, Limits, Verdict
from domain.contact import Contact
from domain.errors import TooMany
from feedback_intake.number_desk import NumberDesk
from feedback_intake.progress import Progress
from lookup.codes import is_agency_style
from lookup.disclosure import Answer

CREDIT_PATIENCE = 0.25  # seconds that a look-up waits for those before it
UNSUSPECTED = 20  # codes of a prefix looked up at once where nobody missed; of 600 codes, 4 processes confirm 5 of them
MOST_WATCHED = 10_000
MOST_MISSED = 50_000

GUESSES = prometheus_client.Counter(
    "motma_guesses", "Guesses at codes and proofs, by what became of them.", ["outcome"]
)

_PHONE = re.compile(r"(?:\+?84|0)[0-9]{9}")
_TAIL = 4  # digits of the phone that are a proof
_GROUPS = re.compile(r"(.+)[^0-9A-Z].*", re.DOTALL)  # a code of another scheme up to its last mark
_ORDINAL = 4  # characters that a code without any mark ends with
_CENTURY = "20"
_HALF = MISSES_PER_PREFIX.burst // 2

log = structlog.get_logger()

_NOBODY: dict[str, int] = {}

_Budget: TypeAlias = tuple[Limit, str]  # and whose


class ProofNeeded(TooMany):
    """A code alone is not answered for a while: too many unknown ones were asked. A proof is, and so is a receipt."""

    def __init__(self, after: timedelta) -> None:
        super().__init__(
            "Too many unknown codes were asked. Ask with the look-up secret on the slip, which is answered all the"
            " same, or come back later.",
            after=after,
        )


class Told(Protocol):
    """What a desk tells: an `Answer` about a dossier, the `Progress` of feedback."""

    @property
    def code(self) -> str:
        """The canonical code it is about."""


T = TypeVar("T", bound=Told)
T_co = TypeVar("T_co", bound=Told, covariant=True)


class Desk(Protocol[T_co]):
    """What is guarded: `lookup.desk.LookupDesk`, and for feedback `feedback_intake.number_desk.NumberDesk`. `code` is
    canonical; all raise `Unavailable`."""

    async def by_code(self, code: str) -> T_co | None:
        """Level L0."""

    async def with_proof(self, code: str, proof: str) -> T_co | None:
        """Level L1 for the look-up secret or the last four digits of the registered phone."""

    async def for_phone(self, code: str, phone: str) -> T_co | None:
        """Level L1 for the registered phone (E.164), which must be where the answer goes."""

    async def with_receipt(self, token: str) -> T_co | None:
        """Level L1 for what a receipt's QR holds."""


class Guarded(Generic[T]):
    """A desk for all who are not known. `origin` is who asks: an address (IPv6: its /64), a phone, a chat.

    `watched` names the budgets that are running out, as far as this process knows. An answer that is ready without
    asking here may be given while it is empty; otherwise ask `watches` first.
    """

    def __init__(self, desk: Desk[T], limits: Limits) -> None:
        self.watched: dict[_Budget, float] = {}  # until when (monotonic seconds)
        self._desk = desk
        self._limits = limits
        self._asking: dict[str, dict[str, int]] = {}  # codes by prefix, looked up on credit, and how often
        self._missed: dict[str, float] = {}  # unknown codes that have been counted, until when (monotonic seconds)
        self._waiting = 0
        self._one_ended = asyncio.Event()

    async def by_code(self, code: str, *others: str, origin: str) -> T | None:
        """Level L0 of `code`, or else of the first of its `others`: further readings of what was typed.

        None for an unknown code. Raises `ProofNeeded`, `Unavailable`.
        """
        prefixes = tuple(dict.fromkeys(map(prefix_of, (code, *others)))) if others else (prefix_of(code),)
        self._room(MISSES_PER_ORIGIN, origin)
        on_credit = await self._has_credit(code, prefixes)
        budgets = [(MISSES_PER_PREFIX, prefix) for prefix in prefixes]
        if not on_credit:
            await self._pay(budgets)
        try:
            found = await self._first_of(code, *others)
        except BaseException:
            if not on_credit:
                await self._pay_back(budgets)
            raise
        finally:
            if on_credit:
                self._ended(code, prefixes)
        if found is None and not self._missed_before(code):
            GUESSES.labels("unknown code").inc()
            await self._pay([(MISSES_PER_ORIGIN, origin), *(budgets if on_credit else ())])
        elif not on_credit:
            await self._pay_back(budgets)
        return found

    async def with_proof(self, code: str, proof: str, *others: str, origin: str) -> T | None:
        """Level L1 for the holder of `proof`: the look-up secret, the registered phone or its last four digits.

        None for an unknown code and for a wrong proof, which cost the same: it counts against the dossier and against
        who asks, before it is tried. Raises `TooMany`, `Unavailable`.
        """
        found = await self._first_of(code, *others)
        code = found.code if found else code
        budgets = [(WRONG_PROOFS_PER_DOSSIER, code), (WRONG_PROOFS_PER_ORIGIN, origin)]
        if wait := await self._take(budgets):
            GUESSES.labels("proof refused").inc()
            raise TooMany("The second factor was tried too often. Please wait, or ask the office.", after=wait)
        answer = await self._desk.with_proof(code, proof)
        if answer is None and _PHONE.fullmatch(proof):  # the whole number was typed instead of its end
            answer = await self._desk.with_proof(code, proof[-_TAIL:])
        if answer is None:
            GUESSES.labels("wrong proof").inc()
        else:
            await self._pay_back(budgets)
        return answer

    async def for_phone(self, code: str, phone: str, *others: str) -> T | None:
        """Level L1 for the registered phone, known to be the asker's; None for every other. Nobody can guess here."""
        found = await self._first_of(code, *others)
        return await self._desk.for_phone(found.code if found else code, phone)

    async def with_receipt(self, token: str) -> T | None:
        """Level L1 for a receipt's token, which is too long to be guessed."""
        return await self._desk.with_receipt(token)

    def watches(self, code: str, origin: str) -> bool:
        """Whether `origin` must ask for `code` here, however ready the answer is."""
        now = monotonic()
        oldest = next(iter(self.watched), None)
        if oldest is not None and self.watched[oldest] <= now:
            del self.watched[oldest]
        budgets = ((MISSES_PER_ORIGIN, origin), (MISSES_PER_PREFIX, prefix_of(code)))
        return any(self.watched.get(budget, 0.0) > now for budget in budgets)

    async def _first_of(self, *codes: str) -> T | None:
        for code in codes:
            if found := await self._desk.by_code(code):
                return found
        return None

    def _missed_before(self, code: str) -> bool:
        """Whether `code` was counted as unknown already: who waits for a new dossier to appear asks again and again."""
        now = monotonic()
        before = self._missed.pop(code, 0.0)
        self._missed[code] = before if before > now else now + MISSES_PER_PREFIX.period.total_seconds()
        if len(self._missed) > MOST_MISSED:
            del self._missed[next(iter(self._missed))]
        return before > now

    # --- budgets ---

    async def _has_credit(self, code: str, prefixes: Sequence[str]) -> bool:
        """Whether `code` may be looked up and a miss be counted afterwards; then it counts as being asked.

        Never more codes of a prefix are asked on credit than half of its budget has room for (`UNSUSPECTED` while it
        is whole): the others wait for them a little. False from half of it on. Raises `ProofNeeded` when it is spent.
        """
        give_up = monotonic() + CREDIT_PATIENCE
        while True:
            rooms = {prefix: self._credit(prefix) for prefix in prefixes}
            left = give_up - monotonic()
            if min(rooms.values()) <= 0 or left <= 0:
                return False
            asking = {prefix: self._asking.get(prefix, _NOBODY) for prefix in prefixes}
            if all(code in asking[prefix] or len(asking[prefix]) < room for prefix, room in rooms.items()):
                for prefix in prefixes:
                    codes = self._asking.setdefault(prefix, {})
                    codes[code] = codes.get(code, 0) + 1
                return True
            self._waiting += 1
            try:
                async with asyncio.timeout(left):
                    await self._one_ended.wait()
            except TimeoutError:
                pass  # without credit, then
            finally:
                self._waiting -= 1

    def _ended(self, code: str, prefixes: Sequence[str]) -> None:
        for prefix in prefixes:
            asking = self._asking[prefix]
            asking[code] -= 1
            if not asking[code]:
                del asking[code]
            if not asking:
                del self._asking[prefix]
        if self._waiting:
            self._one_ended.set()
            self._one_ended = asyncio.Event()

    def _credit(self, prefix: str) -> int:
        """How many codes of `prefix` may be asked on credit at once. Raises `ProofNeeded`."""
        room = self._room(MISSES_PER_PREFIX, prefix)
        return UNSUSPECTED if room >= MISSES_PER_PREFIX.burst else room - _HALF

    def _room(self, limit: Limit, subject: str) -> int:
        """How many units are left, as far as this process knows. Raises `ProofNeeded` when there is none."""
        verdict = self._limits.check_local(limit, subject)
        if not verdict.allowed:
            GUESSES.labels("code refused").inc()
            raise ProofNeeded(timedelta(seconds=verdict.retry_after))
        return verdict.remaining + 1

    async def _pay(self, budgets: Sequence[_Budget]) -> None:
        """Take one of each, all or none. Raises `ProofNeeded`."""
        if wait := await self._take(budgets):
            GUESSES.labels("code refused").inc()
            raise ProofNeeded(wait)

    async def _take(self, budgets: Sequence[_Budget]) -> timedelta | None:
        """Take one of each, all or none; None, or how long to wait."""
        verdicts = await asyncio.gather(*(self._limits.take(limit, subject) for limit, subject in budgets))
        for budget, verdict in zip(budgets, verdicts, strict=True):
            self._watch(budget, verdict)
        waits = [verdict.retry_after for verdict in verdicts if not verdict.allowed]
        if not waits:
            return None
        taken = [budget for budget, verdict in zip(budgets, verdicts, strict=True) if verdict.allowed]
        await self._pay_back(taken)
        return timedelta(seconds=max(waits))

    async def _pay_back(self, budgets: Sequence[_Budget]) -> None:
        await asyncio.gather(*(self._limits.give_back(limit, subject) for limit, subject in budgets))

    def _watch(self, budget: _Budget, verdict: Verdict) -> None:
        """Note a budget of codes that is running out."""
        limit, subject = budget
        missing = {MISSES_PER_PREFIX.name: _HALF + 1, MISSES_PER_ORIGIN.name: 1}.get(limit.name, 0) - verdict.remaining
        if missing <= 0:
            return
        if limit is MISSES_PER_PREFIX and verdict.allowed and not verdict.remaining:  # the last one was taken
            # What somebody typed for a code of another scheme may be personal.
            log.warning("codes are being guessed", prefix=subject if is_agency_style(f"{subject}-1") else "foreign")
        self.watched.pop(budget, None)
        self.watched[budget] = monotonic() + missing * limit.each
        if len(self.watched) > MOST_WATCHED:
            del self.watched[next(iter(self.watched))]


class GuardedDesk(Guarded[Answer]):
    """The desk of dossiers, guarded."""


class GuardedFeedback(Guarded[Progress]):
    """Feedback by its number, guarded by the same budgets: who guesses at one guesses at the other."""

    def __init__(self, desk: NumberDesk, limits: Limits) -> None:
        super().__init__(desk, limits)
        self._numbers = desk

    async def for_contacts(self, code: str, *contacts: Contact) -> Progress | None:
        """All of it, for who is known to be reached at the contact it was filed from. Nobody can guess here."""
        return await self._numbers.for_contacts(code, *contacts)

    async def proven_before(self, code: str) -> Progress | None:
        """All of it, for who proved a right to it a short while ago."""
        return await self._numbers.proven_before(code)


def prefix_of(code: str) -> str:
    """What a code shares with those of the same office and day, however it is spelled: 'H05.16-261102'.

    A leading '000.' and the century may be missing. Of a code of another scheme, all but its last group.
    """
    if is_agency_style(code):
        agency, day, _ = code.split("-")
        return f"{agency.removeprefix('000.')}-{day.removeprefix(_CENTURY) if len(day) == 8 else day}"
    groups = _GROUPS.fullmatch(code)
    return groups[1] if groups else code[:-_ORDINAL]
