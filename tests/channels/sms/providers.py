"""Stand-ins for the providers' own servers: they check a call as the documentation says and answer in its words.

Each keeps a ledger of what it took. Faults are set from outside: a status with headers, another body, silence after
the message was taken, a connection broken off.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.channel import Gateway
from tests.channels.sms.callers import (
    ACCOUNT,
    API_KEY,
    ESMS,
    INFOBIP,
    SECRET,
    SPEEDSMS,
    TWILIO,
    VONAGE,
    VONAGE_MESSAGES,
)
from tests.channels.sms.calling import Around, Caller


@dataclass(frozen=True)
class Taken:
    """One message as a provider understood it."""

    to: str
    sender: str
    text: str
    reference: str | None
    status_url: str | None = None
    unicode: bool | None = None


class Refused(Exception):
    """The provider's answer to a call that is not as documented."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


@dataclass
class StandIn:
    """A provider that listens at `url`."""

    ledger: list[Taken] = field(default_factory=list)
    status: int | None = None  # instead of its own answer
    body: object = None  # instead of its own answer; text as it is, else JSON
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    breaks_off: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    calls: int = 0

    async def answer(self, request: web.Request, own: Callable[[], tuple[int, object]]) -> web.StreamResponse:
        """Its own answer, or the fault that is set. With a status set nothing is taken."""
        self.calls += 1
        if self.status is not None:
            return self._said(self.status, self.body)
        try:
            status, body = own()
        except Refused as refusal:
            return self._said(refusal.status, refusal.body)
        if self.hangs:
            await self.released.wait()
        if self.breaks_off:
            assert request.transport is not None
            request.transport.abort()
        return self._said(status, body if self.body is None else self.body)

    def _said(self, status: int, body: object) -> web.Response:
        if isinstance(body, str):
            return web.Response(status=status, text=body, headers=self.headers)
        return web.json_response(body, status=status, headers=self.headers)


Routes = Callable[[StandIn], list[web.RouteDef]]


@dataclass(frozen=True)
class Provider:
    """One provider: its stand-in, and what its documentation says of refusals in answers that are no HTTP errors."""

    caller: Caller
    routes: Routes
    to: str  # how it wants +84901234567
    balance: str
    refusals: Mapping[str, list[object]]  # bodies that mean: never, later, doubt
    provider_id: str | None
    status: int = 200

    def __str__(self) -> str:
        return self.caller.name

    def opened(self, around: Around, **changed: object) -> Gateway:
        """The channel that calls it."""
        channel = self.caller.opened(around, **changed)
        assert isinstance(channel, Gateway)
        return channel


@asynccontextmanager
async def stand_in(provider: Provider) -> AsyncIterator[StandIn]:
    """The stand-in of `provider`, listening."""
    standing = StandIn()
    app = web.Application()
    app.add_routes(provider.routes(standing))
    server = TestServer(app)
    await server.start_server()
    standing.url = str(server.make_url("/")).rstrip("/")
    try:
        yield standing
    finally:
        standing.released.set()
        await server.close()


def _who(request: web.Request) -> str:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return base64.b64decode(given).decode() if scheme == "Basic" else f"{scheme} {given}"


def _twilio(standing: StandIn) -> list[web.RouteDef]:
    async def send(request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}

        def own() -> tuple[int, object]:
            if _who(request) != f"{ACCOUNT}:{SECRET}":
                raise Refused(401, {"code": 20003, "message": "Authenticate", "status": 401})
            if not form.get("Body"):
                raise Refused(400, {"code": 21602, "message": "Message body is required.", "status": 400})
            standing.ledger.append(Taken(form["To"], form["From"], form["Body"], None, form["StatusCallback"]))
            return 201, {"sid": "SM" + "c" * 32, "status": "queued", "error_code": None, "num_segments": "1"}

        return await standing.answer(request, own)

    async def balance(request: web.Request) -> web.StreamResponse:
        return await standing.answer(request, lambda: (200, {"balance": "12.5", "currency": "USD"}))

    account = f"/2010-04-01/Accounts/{ACCOUNT}"
    return [web.post(f"{account}/Messages.json", send), web.get(f"{account}/Balance.json", balance)]


def _vonage(standing: StandIn) -> list[web.RouteDef]:
    async def send(request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}

        def own() -> tuple[int, object]:
            if (form["api_key"], form["api_secret"]) != (API_KEY, "api-secret"):
                raise Refused(200, {"message-count": "1", "messages": [{"status": "4"}]})
            standing.ledger.append(
                Taken(
                    form["to"],
                    form["from"],
                    form["text"],
                    form["client-ref"],
                    form["callback"],
                    form["type"] == "unicode",
                )
            )
            part = {"to": form["to"], "message-id": "0B000001", "status": "0", "remaining-balance": "3.1"}
            return 200, {"message-count": "1", "messages": [part]}

        return await standing.answer(request, own)

    async def balance(request: web.Request) -> web.StreamResponse:
        assert _who(request) == f"{API_KEY}:api-secret"
        return await standing.answer(request, lambda: (200, {"value": 10.28, "autoReload": False}))

    return [web.post("/sms/json", send), web.get("/account/get-balance", balance)]


def _vonage_messages(standing: StandIn) -> list[web.RouteDef]:
    async def send(request: web.Request) -> web.StreamResponse:
        wanted = await request.json()

        def own() -> tuple[int, object]:
            if _who(request) != f"{API_KEY}:api-secret":
                raise Refused(401, {"title": "Unauthorized"})
            assert (wanted["channel"], wanted["message_type"], wanted["webhook_version"]) == ("sms", "text", "v1")
            standing.ledger.append(
                Taken(
                    wanted["to"],
                    wanted["from"],
                    wanted["text"],
                    wanted["client_ref"],
                    wanted["webhook_url"],
                    wanted["sms"]["encoding_type"] == "unicode",
                )
            )
            return 202, {"message_uuid": "cccccccc-0000"}

        return await standing.answer(request, own)

    async def applications(request: web.Request) -> web.StreamResponse:
        return await standing.answer(request, lambda: (200, {"total_items": 1}))

    return [web.post("/v1/messages", send), web.get("/v2/applications", applications)]


def _infobip(standing: StandIn) -> list[web.RouteDef]:
    async def send(request: web.Request) -> web.StreamResponse:
        (message,) = (await request.json())["messages"]

        def own() -> tuple[int, object]:
            if _who(request) != "App api-key":
                raise Refused(401, {"requestError": {"serviceException": {"messageId": "UNAUTHORIZED"}}})
            (destination,) = message["destinations"]
            reference = message["webhooks"]["callbackData"]
            standing.ledger.append(Taken(destination["to"], message["sender"], message["content"]["text"], reference))
            return 200, infobip_answer(1, "PENDING_ACCEPTED")

        return await standing.answer(request, own)

    async def balance(request: web.Request) -> web.StreamResponse:
        return await standing.answer(request, lambda: (200, {"balance": 47.79134, "currency": "EUR"}))

    return [web.post("/sms/3/messages", send), web.get("/account/1/balance", balance)]


def infobip_answer(group: int, name: str) -> object:
    """What Infobip answers to a message."""
    status = {"groupId": group, "groupName": name.partition("_")[0], "id": 26, "name": name, "description": "…"}
    return {"bulkId": "2034072219640523072", "messages": [{"messageId": "i-1", "status": status}]}


def _esms(standing: StandIn) -> list[web.RouteDef]:
    references: set[str] = set()

    def admitted(wanted: Mapping[str, Any]) -> bool:
        return (wanted.get("ApiKey"), wanted.get("SecretKey")) == ("api-key", "secret-key")

    async def send(request: web.Request) -> web.StreamResponse:
        wanted = await request.json()

        def own() -> tuple[int, object]:
            if not admitted(wanted):
                raise Refused(200, {"CodeResult": "101", "ErrorMessage": "Authorize Failed"})
            if wanted["RequestId"] in references:
                raise Refused(200, {"CodeResult": "124", "CountRegenerate": 0})
            references.add(wanted["RequestId"])
            assert (wanted["SmsType"], wanted["Phone"][0]) == ("2", "0")
            standing.ledger.append(
                Taken(
                    wanted["Phone"],
                    wanted["Brandname"],
                    wanted["Content"],
                    wanted["RequestId"],
                    wanted["CallbackUrl"],
                    wanted["IsUnicode"] == "1",
                )
            )
            return 200, {"CodeResult": "100", "CountRegenerate": 0, "SMSID": "d8e0f1f0"}

        return await standing.answer(request, own)

    async def balance(request: web.Request) -> web.StreamResponse:
        known = admitted(await request.json())
        said = {"Balance": 36693, "CodeResponse": "100", "UserID": 9999} if known else {"CodeResponse": "101"}
        return await standing.answer(request, lambda: (200, said))

    base = "/MainService.svc/json"
    return [web.post(f"{base}/SendMultipleMessage_V4_post_json/", send), web.post(f"{base}/GetBalance_json", balance)]


def _speedsms(standing: StandIn) -> list[web.RouteDef]:
    async def send(request: web.Request) -> web.StreamResponse:
        wanted = await request.json()

        def own() -> tuple[int, object]:
            if _who(request) != "token-of-the-tests:x":
                raise Refused(200, {"status": "error", "code": "009", "message": "Account not allow"})
            (to,) = wanted["to"]
            assert wanted["sms_type"] == 3
            standing.ledger.append(Taken(to, wanted["sender"], wanted["content"], None))
            data = {"tranId": 100 + len(standing.ledger), "totalSMS": 1, "invalidPhone": []}
            return 200, {"status": "success", "code": "00", "data": data}

        return await standing.answer(request, own)

    async def info(request: web.Request) -> web.StreamResponse:
        data = {"email": "a@example.vn", "balance": 1500, "currency": "VND"}
        return await standing.answer(request, lambda: (200, {"status": "success", "code": "00", "data": data}))

    return [web.post("/index.php/sms/send", send), web.get("/index.php/user/info", info)]


def _parts(*statuses: str) -> object:
    return {"message-count": "1", "messages": [{"status": status, "message-id": "0B000001"} for status in statuses]}


PROVIDERS = (
    Provider(
        TWILIO,
        _twilio,
        "+84901234567",
        "balance 12.5 USD",
        {
            "never": [{"sid": "SM1", "status": "failed", "error_code": 21211}],
            "later": [{"sid": "SM1", "status": "failed", "error_code": 21611}],
            "doubt": ["", "OK", {}, "[" * 5000],
        },
        provider_id="SM" + "c" * 32,
        status=201,
    ),
    Provider(
        VONAGE,
        _vonage,
        "84901234567",
        "balance 10.28 EUR",
        {
            "never": [_parts("3"), _parts("7"), _parts("12")],
            "later": [_parts("1"), _parts("4"), _parts("5"), _parts("9"), _parts("77")],
            "doubt": ["", "OK", {}, {"messages": []}],
        },
        provider_id="0B000001",
    ),
    Provider(
        VONAGE_MESSAGES,
        _vonage_messages,
        "84901234567",
        "the account is known",
        {"never": [], "later": [], "doubt": ["", "OK", {}]},
        provider_id="cccccccc-0000",
        status=202,
    ),
    Provider(
        INFOBIP,
        _infobip,
        "84901234567",
        "balance 47.79134 EUR",
        {
            "never": [infobip_answer(2, "UNDELIVERABLE_REJECTED_OPERATOR"), infobip_answer(5, "REJECTED_DESTINATION")],
            "later": [infobip_answer(5, "REJECTED_NOT_ENOUGH_CREDITS"), infobip_answer(5, "REJECTED_SYSTEM_ERROR")],
            "doubt": ["", "OK", {}, {"messages": []}],
        },
        provider_id="i-1",
    ),
    Provider(
        ESMS,
        _esms,
        "0901234567",
        "balance 36693 VND",
        {
            "never": [{"CodeResult": "99"}, {"CodeResult": "108"}, {"CodeResult": 146}],
            "later": [{"CodeResult": "101"}, {"CodeResult": "103"}, {"CodeResult": 140}, {"CodeResult": "9999"}],
            "doubt": ["", "OK", {}],
        },
        provider_id="d8e0f1f0",
    ),
    Provider(
        SPEEDSMS,
        _speedsms,
        "84901234567",
        "balance 1500 VND",
        {
            "never": [
                {"status": "error", "code": "105", "message": "Phone number invalid"},
                {"status": "error", "code": "113"},
                {"status": "success", "code": "00", "data": {"tranId": 1, "invalidPhone": ["84901234567"]}},
            ],
            "later": [{"status": "error", "code": "300"}, {"status": "error", "code": "500"}, {"status": "error"}],
            "doubt": ["", "OK", {}],
        },
        provider_id="101",
    ),
)


def provider(name: str) -> Provider:
    """A provider by its channel's name."""
    return next(one for one in PROVIDERS if one.caller.name == name)


def said(body: object) -> str:
    """A body as it is shown in the name of a test."""
    return json.dumps(body)[:60]
