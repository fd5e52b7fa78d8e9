"""The pages of my dossiers: the phone, the code that came to it, the list, and forgetting it all."""

import re
from collections.abc import Iterable
from datetime import timedelta
from functools import partial

from aiohttp import web

from cache.limits import Limit, Limits
from channels.sms.numbers import is_mobile, sender_address
from channels.web.devices.proofs import CODE_DIGITS, CODE_EXPIRY, DEVICE_EXPIRY, PhoneProofs
from channels.web.devices.wishes import PhoneWishes, Wish
from channels.web.seen import SeenOnPages
from channels.web.views import answer_view
from domain.contact import shown
from domain.errors import NotFound, TooMany
from domain.vietnamese import clean
from lookup.desk import LookupDesk
from lookup.wording import Words
from pages.rendering import Pages
from pages.requests import small_form
from pages.visitors import Visitors

_WORDS = Words("channels.web.devices")

PLACE = "/cua-toi"
MOST_LISTED = 50
# Codes to one phone, and asked for by one address: each costs a text message, and each may be guessed at a few times.
CODES_TO_PHONE = (Limit.parse("codes", "2/hour", burst=3), Limit.parse("codes_day", "5/day"))
CODES_BY_ORIGIN = (Limit.parse("codes_origin", "20/hour", burst=10), Limit.parse("codes_origin_day", "100/day"))
_CODE = re.compile(rf"[0-9]{{{CODE_DIGITS}}}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,64}")
_TAIL = 3  # digits of the phone that are shown before it is proven
_NEVER_KEPT = {"Cache-Control": "no-store"}


class DevicePages:
    """Routes under /cua-toi. `sms_number` is ours, None where nobody can text us."""

    def __init__(
        self,
        proofs: PhoneProofs,
        wishes: PhoneWishes,
        desk: LookupDesk,
        *,
        pages: Pages,
        visitors: Visitors,
        limits: Limits,
        secure: bool,
        sms_number: str | None,
        seen: SeenOnPages,
    ) -> None:
        self._seen = seen
        self._proofs = proofs
        self._wishes = wishes
        self._desk = desk
        self._pages = pages
        self._visitors = visitors
        self._limits = limits
        self._secure = secure
        self._sms_number = sms_number

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """One address to look at, and what is sent from there."""
        return [
            web.get(PLACE, self.page),
            web.post(PLACE, self.ask),
            web.post(f"{PLACE}/ma", self.confirm),
            web.post(f"{PLACE}/so-khac", self.start_again),
            web.post(f"{PLACE}/bao-tin", self.wish),
            web.post(f"{PLACE}/quen", self.forget),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """GET /cua-toi: the list on a device that is known, else the field for the code or for the phone."""
        phone = await self._phone(request)
        if phone is not None:
            return await self._listed(request, phone)
        if ask := self._kept(request, self._ask_cookie):
            waiting = await self._proofs.pending(ask)
            if waiting is not None:
                return self._asks_for_code(request, waiting)
        return self._asks_for_phone(request)

    async def ask(self, request: web.Request) -> web.Response:
        """POST /cua-toi with `phone`: a code goes to it. The answer is the same whether or not the phone is known."""
        phone = sender_address(clean((await small_form(request)).get("phone", "")))
        if not is_mobile(phone):
            return self._asks_for_phone(request, mistake="phone.wrong")
        await self._take(phone, self._visitors.of(request).address)
        ask = await self._proofs.ask(phone, self._pages.language(request))
        response = _to_the_page()
        self._keep(response, self._ask_cookie, ask, CODE_EXPIRY)
        return response

    async def confirm(self, request: web.Request) -> web.Response:
        """POST /cua-toi/ma with `code`: the right one makes the device known."""
        code = "".join(clean((await small_form(request)).get("code", "")).split())
        ask = self._kept(request, self._ask_cookie)
        phone = await self._proofs.pending(ask) if ask else None
        if ask is None or phone is None:
            return self._asks_for_phone(request, mistake="code.gone")
        if not _CODE.fullmatch(code):
            return self._asks_for_code(request, phone, mistake=_WORDS.say(self._pages.language(request), "code.six"))
        tried = await self._proofs.confirm(ask, code)
        if tried.device is not None:
            response = _to_the_page()
            self._drop(response, self._ask_cookie)
            self._keep(response, self._device_cookie, tried.device, DEVICE_EXPIRY)
            return response
        if tried.left == 0:
            return self._asks_for_phone(request, mistake="code.gone")
        mistake = _WORDS.say_n(self._pages.language(request), "code.wrong", tried.left)
        return self._asks_for_code(request, phone, mistake=mistake)

    async def start_again(self, _request: web.Request) -> web.Response:
        """POST /cua-toi/so-khac: another phone."""
        response = _to_the_page()
        self._drop(response, self._ask_cookie)
        return response

    async def wish(self, request: web.Request) -> web.Response:
        """POST /cua-toi/bao-tin with `code` and `wish` (a `Wish`): of one of the phone's own dossiers."""
        form = await small_form(request)
        phone, wish = await self._phone(request), form.get("wish")
        if phone is None:
            return _to_the_page()
        if wish not in set(Wish):
            raise NotFound("There is no such wish.")
        code, language = clean(form.get("code", "")), self._pages.language(request)
        await self._wishes.change(phone, code, Wish(wish), language=language)
        return _to_the_page()

    async def forget(self, request: web.Request) -> web.Response:
        """POST /cua-toi/quen: this device is known no longer."""
        if device := self._kept(request, self._device_cookie):
            await self._proofs.forget(device)
        response = _to_the_page()
        self._drop(response, self._device_cookie)
        return response

    async def _phone(self, request: web.Request) -> str | None:
        device = self._kept(request, self._device_cookie)
        return await self._proofs.phone_of(device) if device else None

    async def _take(self, phone: str, address: str) -> None:
        """Count one code. Raises `TooMany`: it tells nothing of the phone but that it was asked for."""
        taken: list[tuple[Limit, str]] = []
        wanted = [(limit, phone) for limit in CODES_TO_PHONE] + [(limit, address) for limit in CODES_BY_ORIGIN]
        for limit, subject in wanted:
            verdict = await self._limits.take(limit, subject)
            if not verdict.allowed:
                for earlier in taken:
                    await self._limits.give_back(*earlier)
                raise TooMany("Too many codes were asked for.", after=timedelta(seconds=verdict.retry_after))
            taken.append((limit, subject))

    # --- what is shown ---

    def _asks_for_phone(self, request: web.Request, *, mistake: str | None = None) -> web.Response:
        language = self._pages.language(request)
        return self._render(
            request,
            "my_phone.html",
            status=422 if mistake else 200,
            mistake=_WORDS.say(language, mistake) if mistake else None,
            days=DEVICE_EXPIRY.days,
        )

    def _asks_for_code(self, request: web.Request, phone: str, *, mistake: str | None = None) -> web.Response:
        return self._render(
            request,
            "my_code.html",
            status=422 if mistake else 200,
            mistake=mistake,
            tail=phone[-_TAIL:],
            minutes=int(CODE_EXPIRY.total_seconds() // 60),
            digits=CODE_DIGITS,
        )

    async def _listed(self, request: web.Request, phone: str) -> web.Response:
        language = self._pages.language(request)
        answers = await self._desk.registered(phone, MOST_LISTED)
        await self._seen.on_device(answers, phone)
        wishes = await self._wishes.of(phone, [answer.code for answer in answers])
        return self._render(
            request,
            "my_dossiers.html",
            phone=shown(phone),
            answers=[answer_view(answer, language, sms_number=None) for answer in answers],
            wishes=wishes.of,
            stopped=wishes.stopped,
            all_shown=len(answers) < MOST_LISTED,
            sms_number=self._sms_number,
            days=DEVICE_EXPIRY.days,
        )

    def _render(self, request: web.Request, name: str, *, status: int = 200, **context: object) -> web.Response:
        return self._pages.render(
            request,
            name,
            status=status,
            headers=_NEVER_KEPT,
            language_url=f"{PLACE}?lang={self._pages.other_language(request)}",
            words=partial(_WORDS.say, self._pages.language(request)),
            **context,
        )

    # --- what the browser keeps ---

    @property
    def _ask_cookie(self) -> str:
        return self._cookie("ma-xac-nhan")

    @property
    def _device_cookie(self) -> str:
        return self._cookie("may-nay")

    def _cookie(self, name: str) -> str:
        """Browsers take a `__Secure-` name from a secure page only."""
        return f"__Secure-{name}" if self._secure else name

    def _kept(self, request: web.Request, cookie: str) -> str | None:
        token = request.cookies.get(cookie, "")
        return token if _TOKEN.fullmatch(token) else None

    def _keep(self, response: web.Response, cookie: str, token: str, expiry: timedelta) -> None:
        response.set_cookie(
            cookie,
            token,
            max_age=int(expiry.total_seconds()),
            path=PLACE,
            secure=self._secure,
            httponly=True,
            samesite="Strict",
        )

    def _drop(self, response: web.Response, cookie: str) -> None:
        response.del_cookie(cookie, path=PLACE, secure=self._secure, httponly=True, samesite="Strict")


def _to_the_page() -> web.Response:
    return web.Response(status=web.HTTPSeeOther.status_code, headers={"Location": PLACE})
