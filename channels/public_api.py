"""Look-up as JSON for anybody who has a code: level L0 by GET, level L1 by POST."""

import re
from collections.abc import Awaitable, Callable, Iterable
from time import time
from typing import Any

import msgspec
from aiohttp import web

from channels.code_route import BY_CODE, WITH_PROOF, CodeRoute
from channels.feedback_api import FeedbackLookup
from channels.guesses import GuardedDesk
from channels.json_bodies import decoded
from channels.web.duties import Completed
from channels.web.enquiries import answer_to, understood
from channels.web.ready import ReadyHead, ReadyResponse
from domain.dossier import PublicDossier
from domain.errors import Invalid
from domain.language import Language
from domain.vietnamese import clean
from feedback_intake.numbers import number_in
from lookup.disclosure import Answer
from lookup.wording import next_step, next_step_of, stage_label, status_label
from pages.headers import defaults
from pages.requests import small_body
from pages.visitors import Visitors

LIMITED_ROUTES = frozenset({BY_CODE, WITH_PROOF})  # against the look-ups of one address
MOST_READY = 20_000  # encoded answers per process, about 1.5 kB each
_MINUTE = 60
_PLAIN = re.compile(rf"{WITH_PROOF}/([0-9A-Za-z.-]+)(?:\?lang=(?:vi|(en)))?")


class _Question(msgspec.Struct):
    code: str
    proof: str


_question = msgspec.json.Decoder(_Question)


class PublicLookup:
    """The two routes. `at_hand` gives a dossier that this process holds fresh, the same object while nothing changed;
    `numbers` answers for feedback.

    An answer depends on its dossier and on the clock (on time, as of, fresh). So its bytes are kept for as long as the
    dossier at hand is the very one it was made from, and no longer than to the end of the minute.
    """

    def __init__(
        self,
        *,
        desk: GuardedDesk,
        at_hand: Callable[[str], PublicDossier | None],
        visitors: Visitors,
        secure: bool,
        numbers: FeedbackLookup | None = None,
    ) -> None:
        self._desk = desk
        self._at_hand = at_hand
        self._visitors = visitors
        self._numbers = numbers
        _, headers = defaults(secure=secure)
        self._head = ReadyHead({**headers, "Content-Type": "application/json"})
        self._ready: dict[str, tuple[str, PublicDossier, ReadyResponse]] = {}  # by request target, as it was sent
        self._minute_ends = 0.0

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """GET and POST /api/v1/lookup."""
        return [CodeRoute(self.by_code), web.post(WITH_PROOF, self.with_proof)]

    async def by_code(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/lookup/{code}: level L0; `?lang=en` for English labels."""
        target, address = request.raw_path, self._visitors.of(request).address
        if self._numbers is not None and (number := number_in(request.match_info["code"])):
            return _json(await self._numbers.by_number(number, origin=address, language=_language(request)))
        response = self._kept(target, address)
        if response is None:
            response = await self._newly_encoded(target, request.match_info["code"], _language(request), address)
        return response.to(request)

    def ready(self, target: str, address: str) -> Completed | None:
        """What makes the response to GET `target`, asked from `address`, of a request's id; None if it is not ready."""
        response = self._kept(target, address)
        return response.with_id if response else None

    def asked(self, target: str) -> Callable[[str], Awaitable[Completed]] | None:
        """What finds that response for an address; None where `target` must be read with more care."""
        plain = _PLAIN.fullmatch(target)
        if plain is None or number_in(plain[1]):
            return None

        async def found(address: str) -> Completed:
            language = Language.ENGLISH if plain[2] else Language.VIETNAMESE
            return (await self._newly_encoded(target, plain[1], language, address)).with_id

        return found

    def _kept(self, target: str, address: str) -> ReadyResponse | None:
        """The answer to a target as it was sent, if it is still the truth and may be given without asking the desk."""
        now = time()
        if now >= self._minute_ends:
            self._ready.clear()
            self._minute_ends = now - now % _MINUTE + _MINUTE
        kept = self._ready.get(target)
        if kept is None:
            return None
        code, dossier, response = kept
        if self._at_hand(code) is not dossier or (self._desk.watched and self._desk.watches(code, address)):
            return None
        return response

    async def _newly_encoded(self, target: str, code: str, language: Language, address: str) -> ReadyResponse:
        minute_ends = self._minute_ends
        typed = understood(code)
        before = self._at_hand(typed.code)
        answer = await answer_to(self._desk, typed, origin=address)
        response = ReadyResponse(self._head, msgspec.json.encode(public_json(answer, language)))
        # Kept only if the dossier was at hand all the while: then it is the one the answer was made from.
        if (
            before is not None
            and before.code == answer.code
            and self._at_hand(answer.code) is before
            and minute_ends == self._minute_ends
            and len(self._ready) < MOST_READY
        ):
            self._ready[target] = (answer.code, before, response)
        return response

    async def with_proof(self, request: web.Request) -> web.Response:
        """POST /api/v1/lookup with `{"code", "proof"}`: level L1."""
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        asked = decoded(_question.decode, await small_body(request))
        number = number_in(asked.code) if self._numbers is not None else None
        typed = None if number else understood(asked.code)
        proof, language = clean(asked.proof), _language(request)
        if not proof:
            raise Invalid("The proof is empty.", field="proof")
        origin = self._visitors.of(request).address
        if typed is None and self._numbers is not None and number:
            return _json(await self._numbers.with_proof(number, proof, origin=origin, language=language))
        answer = await answer_to(self._desk, typed or understood(asked.code), proof, origin=origin)
        return _json(proven_json(answer, language))


def _json(told: dict[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(told), content_type="application/json")


def _language(request: web.Request) -> Language:
    if "?" not in request.raw_path:
        return Language.VIETNAMESE
    return Language.ENGLISH if request.query.get("lang") == Language.ENGLISH else Language.VIETNAMESE


def public_json(answer: Answer, language: Language) -> dict[str, Any]:
    """Level L0, as interface.md has it."""
    agency = answer.agency
    english = language is Language.ENGLISH and agency.name_en
    return {
        "code": answer.code,
        "stage": answer.stage,
        "stage_label": stage_label(answer.stage, language),
        "on_time": answer.on_time,
        "due_on": answer.due_on,
        "agency": {
            "code": agency.code,
            "name": agency.name_en if english else agency.name,
            "phone": agency.phone,
            "address": agency.address,
        },
        "next": next_step(answer.stage, language),
        "as_of": answer.as_of,
        "fresh": answer.fresh,
    }


def proven_json(answer: Answer, language: Language) -> dict[str, Any]:
    """Level L1: what level L0 says, and what only the holder is told."""
    told = public_json(answer, language)
    if (proven := answer.proven) is None:
        return told
    told["next"] = next_step_of(proven.status, language)
    return told | {
        "status": proven.status,
        "status_label": status_label(proven.status, language),
        "received_at": proven.received_at,
        "due_at": proven.due_at,
        "finished_at": proven.finished_at,
        "punctuality": proven.punctuality,
        "days_late": proven.days_late,
        "applicant": proven.applicant,
        "timeline": [
            {"at": entry.at, "status": entry.status, "label": status_label(entry.status, language)}
            for entry in proven.timeline
        ],
        "asked_of_you": proven.asked_of_you,
    }
