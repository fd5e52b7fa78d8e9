"""A stand-in for Zalo: OAuth with refresh tokens that can be used once, messages, templates, signed webhooks, faults.

It keeps the rules of the documentation named in docs/channels/zalo.md: a refused call is HTTP 200 with `error`, free
words go only to people heard of within seven days, template parameters have a longest length, webhooks are sent again
until they are answered 200 within two seconds.
"""

import asyncio
import hashlib
import json
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

APP_ID = "2074138120372622546"
APP_SECRET = "app-secret-of-the-stand-in"
OA_SECRET = "oa-secret-of-the-stand-in"
OA_ID = "2893352839501541173"
FIRST_REFRESH_TOKEN = "refresh-0"
WEEK = 7 * 86_400
ANSWER_LIMIT = 2.0  # seconds a webhook may take
RESENDS = (30, 300, 900, 1_800, 3_600)  # seconds, as documented
TEMPLATE_ID = "356722"
PARAMETERS = {"ma_ho_so": 30, "trang_thai": 30, "don_vi": 200}


@dataclass
class Fault:
    """What happens to a call instead, or besides. `keeps`: it happens to every call until it is taken away."""

    code: int | None = None
    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    reset: bool = False  # the connection breaks after the call took effect
    hangs: bool = False  # the call takes effect and is never answered
    keeps: bool = False


@dataclass
class Sent:
    """One message as a person's phone shows it."""

    msg_id: str
    to: str
    kind: str  # cs, uid, phone
    text: str = ""
    buttons: list[dict[str, str]] = field(default_factory=list)
    template_id: str = ""
    data: dict[str, str] = field(default_factory=dict)
    tracking_id: str = ""
    mode: str = ""
    at: float = field(default_factory=time.monotonic)


@dataclass
class Person:
    """Somebody with Zalo."""

    user_id: str
    follows: bool = False
    last_heard: float | None = None  # of the stand-in's clock
    shown: list[Sent] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class ZaloStandIn:
    """Zalo's side of an app and its Official Account."""

    url: str = ""
    hook: str = ""
    life: int = 90_000  # seconds of an access token, told as a string
    reports: bool = True  # says when messages arrive
    report_pause: float = 0.05
    clock: Callable[[], float] = time.time
    verified: bool = True
    longest: dict[str, int] = field(default_factory=lambda: dict(PARAMETERS))
    refresh_token: str = FIRST_REFRESH_TOKEN
    access_tokens: set[str] = field(default_factory=set)
    exchanges: list[str] = field(default_factory=list)  # every refresh token that was offered
    renewals: int = 0
    calls: list[tuple[str, Any]] = field(default_factory=list)  # path and body
    call_times: list[float] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    renewed: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    resend_pauses: tuple[float, ...] = tuple(second / 1_000 for second in RESENDS)
    answers: list[int] = field(default_factory=list)  # the statuses our webhook gave, 0 for none in time
    _numbers: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def fault(self, where: str, **fault: Any) -> None:  # noqa: ANN401 - of any field
        """Let the next call of `where` (oauth, cs, uid, phone, info, picture) go wrong."""
        self.faults[where].append(Fault(**fault))

    def heal(self) -> None:
        """No more faults."""
        self.faults.clear()

    def revoke(self) -> None:
        """Every access token is expired."""
        self.access_tokens.clear()

    def grant(self) -> str:
        """An administrator grants access anew: a refresh token to paste."""
        self.refresh_token = f"granted-{self._number()}"
        return self.refresh_token

    def person(self, user_id: str) -> Person:
        """Somebody, known or new."""
        return self.people.setdefault(user_id, Person(user_id=user_id))

    # --- what we call ---

    def routes(self) -> list[web.RouteDef]:
        """The endpoints, of all three hosts."""
        return [
            web.post("/v4/oa/access_token", self._oauth),
            web.post("/v3.0/oa/message/cs", self._consultation),
            web.post("/v3.0/oa/message/template", self._template_by_uid),
            web.post("/message/template", self._template_by_phone),
            web.get("/template/info/v2", self._template_info),
            web.get("/message/quota", self._quota),
            web.get("/v2.0/oa/getoa", self._getoa),
            web.get("/pictures/{name}", self._picture),
        ]

    async def _oauth(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        refresh = str(form.get("refresh_token", ""))
        self.exchanges.append(refresh)

        def answer() -> dict[str, Any]:
            if request.headers.get("secret_key") != APP_SECRET or form.get("app_id") != APP_ID:
                return {"error": -14002, "error_name": "Invalid appId"}
            if form.get("grant_type") != "refresh_token" or refresh != self.refresh_token:
                return {"error": -14020, "error_name": "Invalid refresh token"}
            number = self._number()
            self.renewals += 1
            self.refresh_token = f"refresh-{number}"
            self.access_tokens.add(f"access-{number}")
            self.renewed.set()
            return {
                "access_token": f"access-{number}",
                "refresh_token": self.refresh_token,
                "expires_in": str(self.life),
            }

        return await self._answered("oauth", request, answer)

    async def _consultation(self, request: web.Request) -> web.StreamResponse:
        given = await self._body(request)

        def answer() -> dict[str, Any]:
            person = self.person(str(given["recipient"]["user_id"]))
            message = given["message"]
            text = message["text"]
            buttons = message.get("attachment", {}).get("payload", {}).get("buttons", [])
            if not 0 < len(text) <= 2_000:
                return {"error": -210, "message": "Parameter exceeds allowable limit"}
            if len(buttons) > 5 or any(len(b["payload"]) > 1_000 or len(b["title"]) > 100 for b in buttons):
                return {"error": -201, "message": "buttons is invalid!"}
            if person.last_heard is None or self.clock() - person.last_heard > WEEK:
                return {"error": -230, "message": "User has not interacted with the OA in the past 7 days"}
            sent = self._show(Sent(msg_id=self._msg_id(), to=person.user_id, kind="cs", text=text, buttons=buttons))
            return _taken({"message_id": sent.msg_id, "user_id": person.user_id, "quota": {"quota_type": "reply"}})

        return await self._answered("cs", request, answer)

    async def _template_by_uid(self, request: web.Request) -> web.StreamResponse:
        given = await self._body(request)

        def answer() -> dict[str, Any]:
            if (wrong := self._wrong_template(given)) is not None:
                return wrong
            if "tracking_id" in given:
                return {"error": -201, "message": "tracking_id is invalid!"}
            person = self.person(str(given["user_id"]))
            sent = self._show(
                Sent(
                    msg_id=self._msg_id(),
                    to=person.user_id,
                    kind="uid",
                    template_id=given["template_id"],
                    data=given["template_data"],
                )
            )
            return _taken({"message_id": sent.msg_id, "user_id": person.user_id})

        return await self._answered("uid", request, answer)

    async def _template_by_phone(self, request: web.Request) -> web.StreamResponse:
        given = await self._body(request)

        def answer() -> dict[str, Any]:
            if (wrong := self._wrong_template(given)) is not None:
                return wrong
            phone, tracking_id = str(given.get("phone", "")), str(given.get("tracking_id", ""))
            if not (phone.isdigit() and phone.startswith("84")):
                return {"error": -108, "message": "Phone number is invalid"}
            if not (tracking_id.isalnum() and len(tracking_id) <= 48):
                return {"error": -132, "message": "Parameter invalid"}
            sent = self._show(
                Sent(
                    msg_id=self._msg_id(),
                    to=phone,
                    kind="phone",
                    template_id=given["template_id"],
                    data=given["template_data"],
                    tracking_id=tracking_id,
                    mode=given.get("mode", ""),
                )
            )
            return _taken({"msg_id": sent.msg_id, "quota": {"dailyQuota": "500", "remainingQuota": "499"}})

        return await self._answered("phone", request, answer)

    async def _template_info(self, request: web.Request) -> web.StreamResponse:
        def answer() -> dict[str, Any]:
            if request.query.get("template_id") != TEMPLATE_ID:
                return {"error": -109, "message": "Template ID invalid"}
            parameters = [
                {"name": name, "require": True, "type": "STRING", "maxLength": most, "minLength": 0}
                for name, most in self.longest.items()
            ]
            return _taken({"templateId": TEMPLATE_ID, "status": "ENABLE", "listParams": parameters, "price_uid": "560"})

        return await self._answered("info", request, answer)

    async def _quota(self, request: web.Request) -> web.StreamResponse:
        return await self._answered("quota", request, lambda: _taken({"dailyQuota": 500, "remainingQuota": 499}))

    async def _getoa(self, request: web.Request) -> web.StreamResponse:
        profile = {"name": "Trung tâm PVHCC", "is_verified": self.verified, "package_name": "Nâng cao"}
        return await self._answered("getoa", request, lambda: _taken(profile))

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        self.calls.append((request.path, None))
        if "access_token" in request.headers:
            raise web.HTTPBadRequest
        fault = self._next_fault("picture")
        if fault is not None:
            if fault.hangs:
                await self.released.wait()
            await asyncio.sleep(fault.delay)
            return web.Response(status=fault.status, headers=fault.headers)
        return web.Response(body=self.pictures[request.match_info["name"]], content_type="image/jpeg")

    def _wrong_template(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        data = given.get("template_data", {})
        if given.get("template_id") != TEMPLATE_ID:
            return {"error": -109, "message": "Template ID invalid"}
        if set(data) != set(self.longest) or not all(data.values()):
            return {"error": -1122, "message": "Missing template parameter"}
        if any(len(data[name]) > most for name, most in self.longest.items()):
            return {"error": -1121, "message": "Parameter data exceeds max length"}
        return None

    async def _body(self, request: web.Request) -> Any:  # noqa: ANN401 - JSON
        given = await request.json()
        self.calls.append((request.path, given))
        self.call_times.append(time.monotonic())
        return given

    async def _answered(
        self, where: str, request: web.Request, answer: Callable[[], dict[str, Any]]
    ) -> web.StreamResponse:
        """The answer of a call, with its faults. A call with a bad token never takes effect."""
        fault = self._next_fault(where)
        if fault is not None and not (fault.reset or fault.hangs):
            await asyncio.sleep(fault.delay)
            if fault.code is not None:
                return web.json_response({"error": fault.code, "message": "fault"})
            if fault.status != 200 or fault.body is not None:
                return web.Response(status=fault.status, text=fault.body or "", headers=fault.headers)
        if where != "oauth" and request.headers.get("access_token") not in self.access_tokens:
            return web.json_response({"error": -216, "message": "Access token is invalid"})
        said = answer()
        if fault is not None and fault.hangs:
            await self.released.wait()
        if fault is not None and (fault.reset or fault.hangs) and request.transport is not None:
            request.transport.abort()
        return web.json_response(said)

    def _next_fault(self, where: str) -> Fault | None:
        waiting = self.faults[where]
        if not waiting:
            return None
        return waiting[0] if waiting[0].keeps else waiting.popleft()

    def _show(self, sent: Sent) -> Sent:
        self.sent.append(sent)
        person = self.person(sent.to)
        person.shown.append(sent)
        person.news.set()
        if self.reports and self.hook:
            self._later(self._report(sent))
        return sent

    # --- what calls us ---

    async def event(self, name: str, person: Person, **members: Any) -> int:  # noqa: ANN401 - JSON
        """Deliver one event of `person` to our webhook, again and again as Zalo would; the last status."""
        return await self.deliver(self.event_body(name, person, **members))

    def event_body(self, name: str, person: Person, **members: Any) -> bytes:  # noqa: ANN401 - JSON
        """The raw body of an event, in Zalo's own members."""
        event: dict[str, Any] = {"event_name": name, "app_id": APP_ID, "timestamp": str(int(self.clock() * 1_000))}
        if name in {"follow", "unfollow"}:
            event |= {"follower": {"id": person.user_id}, "oa_id": OA_ID, "source": "oa_profile"}
        elif name == "user_click_chatnow":
            event |= {"user_id": person.user_id, "oa_id": OA_ID}
        elif name in {"user_received_message", "user_seen_message"}:
            event |= {"sender": {"id": OA_ID}, "recipient": {"id": person.user_id}}
        else:
            event |= {"sender": {"id": person.user_id}, "recipient": {"id": OA_ID}}
        if name.startswith("user_send_"):
            person.last_heard = self.clock()
            event["message"] = {"msg_id": self._msg_id()}
        event["message"] = event.get("message", {}) | members.pop("message", {})
        return json.dumps(event | members, ensure_ascii=False).encode()

    async def deliver(self, body: bytes, **headers: str) -> int:
        """POST a signed body until it is answered 200 in time; the last status."""
        status = 0
        async with aiohttp.ClientSession() as http:
            for number, pause in enumerate((0.0, *self.resend_pauses)):
                await asyncio.sleep(pause)
                status = await self._post(http, body, {"num_retry": str(number), **headers} if number else headers)
                self.answers.append(status)
                if status == 200:
                    break
        return status

    async def _post(self, http: aiohttp.ClientSession, body: bytes, headers: Mapping[str, str]) -> int:
        timestamp = str(json.loads(body).get("timestamp", ""))
        given = {
            "X-ZEvent-Signature": signature(body, timestamp),
            "X-ZEvent-Server": "OA OpenAPI",
            "User-Agent": "ZaloWebhook",
            **headers,
        }
        try:
            async with http.post(
                self.hook, data=body, headers=given, timeout=aiohttp.ClientTimeout(total=ANSWER_LIMIT)
            ) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def _report(self, sent: Sent) -> None:
        """The phone has it."""
        await asyncio.sleep(self.report_pause)
        person = self.person(sent.to)
        said = {"msg_id": sent.msg_id, "delivery_time": str(int(self.clock() * 1_000))}
        if sent.kind == "phone":
            said["tracking_id"] = sent.tracking_id
        body = self.event_body("user_received_message", person, message=said)
        await self.deliver(body, **({"X-ZEvent-Server": "ZNS"} if sent.kind == "phone" else {}))

    def _later(self, work: Any) -> None:  # noqa: ANN401 - a coroutine
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait for the reports on their way."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _msg_id(self) -> str:
        return hashlib.sha256(f"{self.url} {self._number()}".encode()).hexdigest()[:20]


def signature(body: bytes, timestamp: str, *, secret: str = OA_SECRET, app_id: str = APP_ID) -> str:
    """The header as Zalo makes it."""
    return "mac=" + hashlib.sha256(app_id.encode() + body + timestamp.encode() + secret.encode()).hexdigest()


def _taken(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"error": 0, "message": "Success", "data": data}


@asynccontextmanager
async def zalo_stand_in() -> AsyncIterator[ZaloStandIn]:
    """A stand-in that listens."""
    zalo = ZaloStandIn()
    app = web.Application(client_max_size=2**20)
    app.add_routes(zalo.routes())
    server = TestServer(app)
    await server.start_server()
    zalo.url = str(server.make_url("")).rstrip("/")
    try:
        yield zalo
    finally:
        zalo.released.set()
        for task in zalo._tasks:
            task.cancel()
        await asyncio.gather(*zalo._tasks, return_exceptions=True)
        await server.close()
