"""Calls to the Bot API (core.telegram.org/bots/api), and what its refusals mean.

Made with `call_once` rather than python-telegram-bot's `Bot`, which this channel uses for the types of what comes and
goes only. `Bot` tells neither whether a failed request had left, without which a message is sent twice or not at all,
nor what to do with the one update in a batch that it cannot read: it raises away all of them, and logs their text.
"""

from datetime import timedelta
from typing import Any

import aiohttp
import msgspec

from channels.provider_call import MOST_READ, ProviderAnswer, call_once
from domain.errors import Gone, InDoubt, ServiceError, TryLater, Undeliverable

LONGEST_PAUSE = timedelta(days=1)


class AnotherListens(TryLater):
    """Somebody else fetches the updates of this bot, or has set a webhook meanwhile."""


class Flooded(TryLater):
    """Too much at once, for this chat or in all; `after` says when again."""


class TokenRefused(TryLater):
    """The Bot API does not know our token."""


class _Parameters(msgspec.Struct, frozen=True):
    retry_after: float = 0
    migrate_to_chat_id: int = 0


class _Answer(msgspec.Struct, frozen=True):
    ok: bool
    result: Any = None
    error_code: int = 0
    description: str = ""
    parameters: _Parameters = _Parameters()


class _File(msgspec.Struct, frozen=True):
    file_path: str = ""
    file_size: int = 0  # 0: not told


class BotApi:
    """One bot's account."""

    def __init__(self, http: aiohttp.ClientSession, *, url: str, token: str) -> None:
        self._http = http
        self._methods = f"{url.rstrip('/')}/bot{token}"
        self._files = f"{url.rstrip('/')}/file/bot{token}"

    async def call(
        self,
        method: str,
        *,
        within: float | None = None,
        most: int = MOST_READ,
        **parameters: Any,  # noqa: ANN401 - JSON
    ) -> Any:  # noqa: ANN401 - each method has a result of its own
        """The result of one method, called once.

        Raises `TryLater`, `Undeliverable`, `Gone` or `InDoubt` as a sender does.
        """
        body = msgspec.json.encode(parameters)
        answer = await call_once(
            self._http,
            "POST",
            f"{self._methods}/{method}",
            within=within,
            most=most,
            data=body,
            headers={"Content-Type": "application/json"},
        )
        return _result(answer)

    async def download(self, file_id: str, most: int) -> bytes:
        """A file that somebody sent, b"" when it has more than `most` bytes. Raises as `call` does."""
        try:
            file = msgspec.convert(await self.call("getFile", file_id=file_id), _File)
        except msgspec.ValidationError:
            return b""
        if not file.file_path or file.file_size > most:
            return b""
        answer = await call_once(self._http, "GET", f"{self._files}/{file.file_path}", most=most + 1)
        return answer.body if answer.status == 200 and len(answer.body) <= most else b""


def _result(answer: ProviderAnswer) -> Any:  # noqa: ANN401 - see `call`
    try:
        told = msgspec.json.decode(answer.body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if 200 <= answer.status < 300:
            raise InDoubt("The Bot API's answer cannot be read.") from None
        # Not Telegram speaking, but something in between: it says nothing about the chat.
        raise TryLater(f"Something before the Bot API answered {answer.status}.", after=answer.retry_after) from None
    if not told.ok:
        raise _refusal(told, answer.retry_after)
    return told.result


def _refusal(told: _Answer, retry_after: timedelta | None) -> ServiceError:
    """What a refusal means. Telegram's words are for people and change; the code is what counts."""
    said = f"Telegram: {told.description[:150]}"
    if told.error_code == 429 or told.parameters.retry_after:
        wished = timedelta(seconds=told.parameters.retry_after) if told.parameters.retry_after > 0 else retry_after
        return Flooded(said, after=min(wished, LONGEST_PAUSE) if wished is not None else None)
    if told.error_code == 403:  # blocked, deactivated, kicked, never written to us
        return Gone(said)
    if told.error_code == 409:
        return AnotherListens(said)
    if told.error_code in {401, 404}:  # 404: the token has not even the form of one
        return TokenRefused("Telegram does not know the bot: check MOTMA_TELEGRAM_TOKEN.")
    if 400 <= told.error_code < 500:  # no such chat, or a group that has moved: groups are not written to
        return Undeliverable(said)
    return TryLater(said, after=retry_after)
