"""What was sent about a dossier and what became of it, told to the agency whose dossier it is."""

from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from channels.agency_api.admission import Admission
from channels.agency_api.bodies import JSON
from channels.agency_api.reading_back import limit_of
from database.pool import DATABASE_AWAY, Database
from domain.errors import Invalid, NotFound, Unavailable
from domain.message import DeliveryState
from lookup.agency_dossiers import FIND_ID
from lookup.api_keys import Scope
from lookup.changes import Tenant
from lookup.codes import canonical
from notifications.timeline import Message, Step, Timeline, Wanted

LARGEST_ID = 2**63 - 1
_encode = msgspec.json.Encoder().encode


class MessageCalls:
    """The call. Another agency's dossier is not found, in the words for one that does not exist."""

    def __init__(self, *, admission: Admission, database: Database, timeline: Timeline) -> None:
        self._admission = admission
        self._database = database
        self._timeline = timeline

    async def of_dossier(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/dossiers/{code}/messages?cursor=&limit="""
        caller = await self._admission.admitted(request, Scope.DOSSIERS_READ)
        code = canonical(unquote(request.match_info["code"]))
        before, limit = _before(request.query.get("cursor")), limit_of(request.query.get("limit"))
        found = await self._found(caller.tenant, Wanted(dossier=code, before=before), limit)
        cursor = str(found[-1].message_id) if len(found) == limit else None
        said = {"items": [message_said(message) for message in found], "cursor": cursor, "more": cursor is not None}
        return web.Response(status=HTTPStatus.OK, body=_encode(said), content_type=JSON)

    async def _found(self, tenant: Tenant, wanted: Wanted, limit: int) -> list[Message]:
        try:
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
                if await connection.fetchval(FIND_ID, wanted.dossier, tenant.test) is None:
                    raise NotFound("We hold no such dossier of yours.", field="code")
                return [] if tenant.test else await self._timeline.messages(connection, wanted, most=limit)
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error


def _before(cursor: str | None) -> int | None:
    """Raises `Invalid`."""
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 19 and int(cursor) <= LARGEST_ID):
        raise Invalid("This cursor is not one of ours.", field="cursor")
    return int(cursor)


def message_said(message: Message) -> dict[str, Any]:
    """A message as the API tells it."""
    waits = message.state in {DeliveryState.QUEUED, DeliveryState.IN_DOUBT}
    return _without_nothing(
        {
            "id": message.message_id,
            "state": message.state.name.lower(),
            "kind": message.kind,
            "event": message.event,
            "version": message.version,
            "channel": message.channel,
            "contact": message.contact,
            "queued_at": message.created_at,
            "expires_at": message.expires_at,
            "next_try_at": message.run_at if waits else None,
            "attempts": message.attempts,
            "dong": message.dong,
            "timeline": [_step_said(step) for step in message.steps],
        }
    )


def _step_said(step: Step) -> dict[str, Any]:
    return _without_nothing(
        {
            "at": step.at,
            "what": step.what,
            "state": None if step.state is None else step.state.name.lower(),
            "attempt": step.attempt,
            "route": step.route,
            "word": step.word,
            "message": step.other,
        }
    )


def _without_nothing(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}
