"""Calls to the Graph API, and what its refusals mean.

The codes are those of Meta's pages "Common Error Codes" (Messenger) and "Error codes" (WhatsApp). What counts is whose
the fault is: the account's and the template's can be mended while the message waits; the person's and the message's
own cannot. Texts of errors may name people, so only the numbers are kept.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import aiohttp
import msgspec

from channels.provider_call import ProviderAnswer, call_once, refused
from domain.errors import Gone, InDoubt, ServiceError, TryLater, Undeliverable

PAIR_PAUSE = timedelta(seconds=10)  # WhatsApp takes a message every six seconds for one person

_TOKEN = frozenset({0, 102, 190, 463, 467})
_GONE_SUBCODES = frozenset({1545041, 2018108})  # unavailable; does not take our messages
_GONE = 551  # "This person isn't available right now": blocked, or the account is closed
_OUTSIDE_SUBCODES = frozenset({2018278, 2018065})  # Messenger, with code 10
_OUTSIDE = frozenset({131047, 470})  # WhatsApp
_PAIR = 131056
# Ours to mend, or Meta's own trouble. 3, 10, 200 to 299: rights; 131042: payment; 1320xx: the template's form, which
# fits the settings or does not.
_WAIT = MappingProxyType(
    {
        **dict.fromkeys((1, 2, 1200, 131000, 131016, 131057, 133004), "is in trouble"),
        **dict.fromkeys((4, 17, 32, 341, 613, 80006, 80007, 130429, 131048, _PAIR), "takes fewer messages just now"),
        **dict.fromkeys((3, 10, *range(200, 300), 131005), "does not allow our account to send"),
        **dict.fromkeys((368, 131031, 131042, 131045, 133010), "has stopped our account"),
        **dict.fromkeys((132000, 132001, 132012, 132015, 132016), "does not take our template as it is set"),
    }
)
_WHY = MappingProxyType(
    {
        131026: "cannot deliver to this number: not on WhatsApp, or too old an app",
        131030: "knows this test account's listed numbers only",
        131049: "chose not to deliver, to keep down what this person gets",
        131050: "was told by this person to deliver nothing of that kind",
        132005: "finds the filled-in template too long",
    }
)


class OutsideWindow(Undeliverable):
    """This person was not heard of for a day: only an approved template may go."""


class TokenRefused(TryLater):
    """Our token has expired, or was taken back."""


class _Error(msgspec.Struct, frozen=True):
    code: int = -1
    error_subcode: int = 0
    is_transient: bool = False


class _Answer(msgspec.Struct, frozen=True):
    error: _Error | None = None


class GraphApi:
    """The Graph API by one token; `setting` is the one the token stands in."""

    def __init__(self, http: aiohttp.ClientSession, *, url: str, token: str, setting: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._bearer = {"Authorization": f"Bearer {token}"}
        self._setting = setting

    async def post(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """What a POST of `content` as JSON leads to. Raises as a sender does."""
        body = msgspec.json.encode(content)
        headers = self._bearer | {"Content-Type": "application/json"}
        return self._result(await call_once(self._http, "POST", f"{self._url}/{path}", data=body, headers=headers))

    async def get(self, path: str, fields: str, **more: str) -> dict[str, Any]:
        """The named fields of a node; `more` are further parameters. Raises as a sender does."""
        url = f"{self._url}/{path}"
        answer = await call_once(self._http, "GET", url, params={"fields": fields, **more}, headers=self._bearer)
        return self._result(answer)

    async def media(self, media_id: str, most: int) -> bytes:
        """A file that somebody sent, b"" when it has more than `most` bytes. Raises as a sender does."""
        if not (media_id.isascii() and media_id.isalnum()):
            return b""
        node = await self.get(media_id, "url,file_size")
        url, size = node.get("url"), node.get("file_size")
        if not isinstance(url, str) or (isinstance(size, int) and size > most):
            return b""
        answer = await call_once(self._http, "GET", url, most=most + 1, headers=self._bearer)
        return answer.body if answer.status == 200 and len(answer.body) <= most else b""

    def _result(self, answer: ProviderAnswer) -> dict[str, Any]:
        taken = 200 <= answer.status < 300
        try:
            told = msgspec.json.decode(answer.body, type=dict[str, Any])
            error = msgspec.convert(told, _Answer, strict=False).error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            if taken:
                raise InDoubt("The Graph API's answer cannot be read.") from None
            # Not Meta speaking, but something in between: it says nothing about the person.
            raise TryLater(f"Something before Meta answered {answer.status}.", after=answer.retry_after) from None
        if error is None and taken:
            return told
        raise self._refusal(error or _Error(), answer)

    def _refusal(self, error: _Error, answer: ProviderAnswer) -> Exception:
        named = f"{error.code}.{error.error_subcode}" if error.error_subcode else str(error.code)
        if known := self._known(error, named, answer.retry_after):
            return known
        if error.is_transient:
            return TryLater(f"Meta is in trouble ({named}).", after=answer.retry_after)
        refusal = refused(answer)
        after = answer.retry_after
        said = f"Meta {_WHY.get(error.code, f'refuses it with status {answer.status}')} ({named})."
        return TryLater(said, after=after) if isinstance(refusal, TryLater) else Undeliverable(said)

    def _known(self, error: _Error, named: str, after: timedelta | None) -> ServiceError | None:
        """What a documented code means; None for others."""
        if error.code in _TOKEN:
            return TokenRefused(f"Meta does not take {self._setting} any more ({named}): make a new token, and set it.")
        if error.code == _GONE or error.error_subcode in _GONE_SUBCODES:
            return Gone(f"Meta: this person does not take our messages ({named}).")
        if error.code in _OUTSIDE or error.error_subcode in _OUTSIDE_SUBCODES:
            return OutsideWindow(f"Meta: this person was not heard of for a day ({named}).")
        if error.code in _WAIT:
            pause = PAIR_PAUSE if error.code == _PAIR and after is None else after
            return TryLater(f"Meta {_WAIT[error.code]} ({named}).", after=pause)
        return None
