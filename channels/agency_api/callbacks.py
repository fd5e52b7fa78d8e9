"""Callbacks for agencies' systems: receivers, their secrets, what was delivered, delivering again."""

import re
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from channels.agency_api.admission import Admission, idempotency_key
from channels.agency_api.bodies import JSON, MAX_ONE, require_type, whole
from channels.agency_api.callbacks_address import LONGEST_URL, Addresses
from channels.agency_api.callers import Caller
from channels.agency_api.payloads import OptionalName, Time
from channels.agency_api.reading_back import limit_of
from channels.agency_api.understanding import email_of, sane, text
from channels.json_bodies import decoded, refuse_repeated_members
from database.pool import Connection
from domain.errors import Invalid
from domain.status import Status
from lookup.api_keys import Scope
from lookup.idempotency import GivenAnswer
from notifications.callbacks.courier import kind_of
from notifications.callbacks.deliveries import Deliveries, Delivery, Progress
from notifications.callbacks.receivers import Receiver, Receivers, unknown

LONGEST_MESSAGE_ID = 64
_RECEIVER_ID = re.compile("cb_[0-9a-f]{16}")
_encode = msgspec.json.Encoder().encode


class CallbackPayload(Struct, forbid_unknown_fields=True, kw_only=True):
    """A receiver as its agency asks for it."""

    url: Annotated[str, Meta(min_length=1, max_length=LONGEST_URL)]
    statuses: (
        Annotated[list[Annotated[int, Meta(ge=1, le=10)]], Meta(min_length=1, max_length=10)] | UnsetType | None
    ) = UNSET
    description: OptionalName = UNSET
    email: Annotated[str, Meta(max_length=254)] | UnsetType | None = UNSET


class ReplayPayload(Struct, forbid_unknown_fields=True, kw_only=True):
    """From where to deliver again."""

    after: Annotated[str, Meta(max_length=LONGEST_MESSAGE_ID)] | UnsetType = UNSET
    since: Time | UnsetType = UNSET


_receiver = msgspec.json.Decoder(CallbackPayload).decode
_replay = msgspec.json.Decoder(ReplayPayload).decode


class CallbackCalls:
    """The calls. A secret is shown once and never stored readable, under an Idempotency-Key neither."""

    def __init__(
        self, *, admission: Admission, receivers: Receivers, deliveries: Deliveries, addresses: Addresses
    ) -> None:
        self._admission = admission
        self._receivers = receivers
        self._deliveries = deliveries
        self._addresses = addresses

    def routes(self) -> list[web.RouteDef]:
        """Every route."""
        guarded = self._admission.guarded
        one = "/api/v1/callbacks/{id}"
        return [
            web.get("/api/v1/callbacks", guarded(self.list), allow_head=False),
            web.post("/api/v1/callbacks", guarded(self.create)),
            web.get(one, guarded(self.get), allow_head=False),
            web.delete(one, guarded(self.delete)),
            web.post(f"{one}/secret", guarded(self.renew_secret)),
            web.get(f"{one}/deliveries", guarded(self.deliveries), allow_head=False),
            web.post(f"{one}/replay", guarded(self.replay)),
        ]

    async def list(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/callbacks"""
        caller = await self._admitted(request)
        return _answer({"items": [_said(receiver) for receiver in await self._receivers.all(caller.tenant)]})

    async def create(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v1/callbacks"""
        caller = await self._admitted(request)
        idempotency_key(request)  # not needed here, since an address is taken once, but a malformed one is told
        require_type(request, JSON)
        with self._admission.room.body() as claim:
            payload = _understood(await whole(request, MAX_ONE, claim))
        receiver, secret = await self._receivers.add(
            caller.tenant,
            str(self._addresses.checked(payload.url)),
            statuses=[Status(number) for number in payload.statuses] if payload.statuses else None,
            description=text(payload.description) or "",
            email=email_of(payload.email, "email"),
        )
        return _answer(_said(receiver) | {"secret": secret}, HTTPStatus.CREATED)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/callbacks/{id}"""
        caller = await self._admitted(request)
        return _answer(_said(await self._receivers.get(caller.tenant, _id(request))))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """DELETE /api/v1/callbacks/{id}"""
        caller = await self._admitted(request)
        await self._receivers.delete(caller.tenant, _id(request))
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def renew_secret(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v1/callbacks/{id}/secret"""
        caller = await self._admitted(request)
        idempotency_key(request)
        receiver, secret = await self._receivers.renew_secret(caller.tenant, _id(request))
        return _answer(_said(receiver) | {"secret": secret})

    async def deliveries(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/callbacks/{id}/deliveries?state=&cursor=&limit="""
        caller = await self._admitted(request)
        cursor = request.query.get("cursor") or None
        if cursor and len(cursor) > LONGEST_MESSAGE_ID:
            raise Invalid("This cursor is not one of ours.", field="cursor")
        page = await self._deliveries.list(
            caller.tenant,
            _id(request),
            progress=_progress(request.query.get("state")),
            cursor=cursor,
            limit=limit_of(request.query.get("limit")),
        )
        return _answer({"items": [_told(item) for item in page.items], "cursor": page.cursor, "more": page.more})

    async def replay(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v1/callbacks/{id}/replay"""
        caller = await self._admitted(request)
        receiver_id = _id(request)
        require_type(request, JSON)
        with self._admission.room.body() as claim:
            body = await whole(request, MAX_ONE, claim)
            payload = decoded(_replay, body)
            refuse_repeated_members(body)
        if payload.after is not UNSET and payload.since is not UNSET:
            raise Invalid("Name either the message after which to begin or a time, not both.", field="since")

        async def work(connection: Connection | None) -> GivenAnswer:
            replayed = await self._deliveries.replay(
                caller.tenant,
                receiver_id,
                after=payload.after or None,
                since=sane(payload.since, "since"),
                connection=connection,
            )
            said = {"queued": replayed.queued, "cursor": replayed.last, "more": replayed.more}
            return GivenAnswer(status=HTTPStatus.OK, body=_encode(said))

        answer = await self._admission.once(request, caller, body, work)
        return web.Response(status=answer.status, body=answer.body, content_type=JSON)

    async def _admitted(self, request: web.Request) -> Caller:
        return await self._admission.admitted(request, Scope.CALLBACKS_MANAGE)


def _understood(body: bytes) -> CallbackPayload:
    """Raises `Malformed`, `Invalid`."""
    payload = decoded(_receiver, body)
    refuse_repeated_members(body)
    if payload.statuses and len(set(payload.statuses)) < len(payload.statuses):
        raise Invalid("Name each status once.", field="statuses")
    return payload


def _id(request: web.Request) -> str:
    """Raises `NotFound`."""
    receiver_id = request.match_info["id"]
    if not _RECEIVER_ID.fullmatch(receiver_id):
        raise unknown()
    return receiver_id


def _progress(written: str | None) -> Progress | None:
    try:
        return Progress(written) if written is not None else None
    except ValueError:
        raise Invalid(f"A state is one of {', '.join(Progress)}.", field="state") from None


def _said(receiver: Receiver) -> dict[str, Any]:
    return {
        "id": receiver.receiver_id,
        "url": receiver.url,
        "description": receiver.description,
        "statuses": receiver.statuses,
        "email": receiver.email,
        "state": receiver.state,
        "reason": receiver.reason,
        "failures": receiver.failures,
        "failing_since": receiver.failing_since,
        "delivered_at": receiver.delivered_at,
        "created_at": receiver.created_at,
        "old_secret_until": receiver.old_secret_until,
    }


def _told(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.message_id,
        "type": kind_of(delivery.version, delivery.status, delivery.status_before),
        "code": delivery.code,
        "version": delivery.version,
        "status": delivery.status,
        "recorded_at": delivery.recorded_at,
        "state": delivery.progress,
        "tries": delivery.tries,
        "tried_at": delivery.tried_at,
        "next_try_at": delivery.next_try_at,
        "delivered_at": delivery.delivered_at,
        "answered": delivery.answered,
        "failure": delivery.failure,
    }


def _answer(said: dict[str, Any], status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(status=status, body=_encode(said), content_type=JSON, headers={"Cache-Control": "no-store"})
