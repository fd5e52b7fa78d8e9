"""Apologies for agencies' systems: the drafts that wait, and confirming, changing or refusing one."""

from datetime import date, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from channels.agency_api.admission import Admission
from channels.agency_api.bodies import JSON, MAX_ONE, require_type, whole
from channels.agency_api.reading_back import limit_of
from channels.json_bodies import decoded, refuse_repeated_members
from database.pool import Connection
from domain.civil_time import civil_day
from domain.errors import Invalid, NotFound
from domain.language import Language
from lookup.api_keys import Scope
from lookup.idempotency import GivenAnswer
from lookup.registry import Registry
from notifications.apologies import LONGEST_REASON, Apologies, Apology

LONGEST_ID = 18  # digits

_encode = msgspec.json.Encoder().encode


class Decision(StrEnum):
    """What is to become of a draft."""

    CONFIRM = "confirm"
    CHANGE = "change"
    REFUSE = "refuse"


class DecisionPayload(Struct, forbid_unknown_fields=True, kw_only=True):
    """A decision: `new_due_on` where the day that was proposed is not the one, `reason` as the citizen may read it."""

    decision: Decision
    new_due_on: date | UnsetType = UNSET
    reason: Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON)] | UnsetType = UNSET


_decode = msgspec.json.Decoder(DecisionPayload).decode


class ApologyCalls:
    """The calls. A test key has no drafts: nobody is late in what it stores."""

    def __init__(self, *, admission: Admission, apologies: Apologies, registry: Registry) -> None:
        self._admission = admission
        self._apologies = apologies
        self._registry = registry

    def routes(self) -> list[web.RouteDef]:
        """Every route."""
        guarded = self._admission.guarded
        one = "/api/v1/apologies/{id}"
        return [
            web.get("/api/v1/apologies", guarded(self.list), allow_head=False),
            web.get(one, guarded(self.get), allow_head=False),
            web.post(one, guarded(self.decide)),
        ]

    async def list(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/apologies?cursor=&limit="""
        caller = await self._admission.admitted(request, Scope.DOSSIERS_READ)
        limit, cursor = limit_of(request.query.get("limit")), request.query.get("cursor") or "0"
        if not _is_number(cursor):
            raise Invalid("This cursor is not one of ours.", field="cursor")
        found = await self._apologies.waiting(caller.tenant, after=int(cursor), limit=limit)
        onward = str(found[-1].apology_id) if found else request.query.get("cursor") or None
        said = {"items": [self._said(one) for one in found], "cursor": onward, "more": len(found) == limit}
        return web.Response(body=_encode(said), content_type=JSON)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/apologies/{id}"""
        caller = await self._admission.admitted(request, Scope.DOSSIERS_READ)
        said = self._said(await self._apologies.get(caller.tenant, _id(request)))
        return web.Response(body=_encode(said), content_type=JSON)

    async def decide(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v1/apologies/{id}"""
        caller = await self._admission.admitted(request, Scope.EVENTS_WRITE)
        apology_id = _id(request)
        require_type(request, JSON)
        with self._admission.room.body() as claim:
            body = await whole(request, MAX_ONE, claim)
            payload = decoded(_decode, body)
            refuse_repeated_members(body)
        _must_fit(payload)
        tenant, actor = caller.tenant, f"key:{caller.tenant.api_key_id}"
        due_on, reason = payload.new_due_on or None, payload.reason or None

        async def work(connection: Connection | None) -> GivenAnswer:
            match payload.decision:
                case Decision.CONFIRM:
                    decided = await self._apologies.confirm(
                        tenant, apology_id, actor=actor, new_due_on=due_on, reason=reason, connection=connection
                    )
                case Decision.CHANGE:
                    assert due_on is not None  # noqa: S101 - as _must_fit has it
                    decided = await self._apologies.change(
                        tenant, apology_id, due_on, actor=actor, connection=connection
                    )
                case Decision.REFUSE:
                    decided = await self._apologies.refuse(
                        tenant, apology_id, actor=actor, reason=reason or "", connection=connection
                    )
            return GivenAnswer(status=HTTPStatus.OK, body=_encode(self._said(decided)))

        answer = await self._admission.once(request, caller, body, work)
        return web.Response(status=answer.status, body=answer.body, content_type=JSON)

    def _said(self, apology: Apology) -> dict[str, Any]:
        office = self._registry.agency(apology.office)
        said: dict[str, str | bool | date | datetime | dict[str, str] | None] = {
            "id": str(apology.apology_id),
            "code": apology.code,
            "procedure": apology.procedure or None,
            "office": office.code if office else None,
            "state": apology.state,
            "automatic": apology.automatic,
            "due_on": civil_day(apology.due_at),
            "proposed_on": apology.proposed_on,
            "new_due_on": civil_day(apology.new_due_at) if apology.new_due_at else None,
            "reason": apology.reason,
            "drafted_at": apology.drafted_at,
            "decided_at": apology.decided_at,
            "letter": {language.value: self._apologies.letter(apology, language) for language in Language},
        }
        return {name: value for name, value in said.items() if value is not None}


def _must_fit(payload: DecisionPayload) -> None:
    """Raises `Invalid` for a decision without what it needs, or with what it has no use for."""
    if payload.decision is Decision.CHANGE and payload.new_due_on is UNSET:
        raise Invalid("Say on which day the dossier is due then.", field="new_due_on")
    if payload.decision is Decision.CHANGE and payload.reason is not UNSET:
        raise Invalid("The reason is told with the confirmation.", field="reason")
    if payload.decision is Decision.REFUSE and payload.reason is UNSET:
        raise Invalid("Say why.", field="reason")
    if payload.decision is Decision.REFUSE and payload.new_due_on is not UNSET:
        raise Invalid("What is refused has no new date.", field="new_due_on")


def _is_number(written: str) -> bool:
    return written.isascii() and written.isdigit() and len(written) <= LONGEST_ID


def _id(request: web.Request) -> int:
    """Raises `NotFound`."""
    written = request.match_info["id"]
    if not _is_number(written):
        raise NotFound("There is no such apology of yours.", field="id")
    return int(written)
