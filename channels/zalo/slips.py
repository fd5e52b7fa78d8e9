"""Pictures people send to the account: fetched from Zalo's hosts alone, read for a code, and dropped."""

import asyncio
import re
from fnmatch import fnmatchcase

import aiohttp
from yarl import URL

from channels.pictures import MOST_PICTURE, code_in
from channels.provider_call import call_once
from domain.errors import ServiceError
from lookup.code_finder import ReadingKind, find, read

FETCH_LIMIT = 0.9  # seconds
LIMIT = 1.4  # seconds for all: Zalo waits two for the whole webhook
_CITIZEN_CARD = re.compile(r"[0-9]{12}\|")  # what the QR of a citizen's identity card begins with


class Slips:
    """Reads the code of a slip that was photographed."""

    def __init__(self, http: aiohttp.ClientSession, origins: str, *, public_url: str) -> None:
        """`origins` are the addresses pictures may come from, comma-separated, `https://*.zdn.vn`."""
        self._http = http
        self._origins = tuple(URL(origin.strip()) for origin in origins.split(",") if origin.strip())
        self._public_url = public_url

    async def code_in(self, address: str) -> str:
        """The receipt's address or the dossier code in the picture at `address`; '' for anything else.

        What else codes say, an identity card's above all, is nothing we were told, and is not kept.
        """
        if (url := self._allowed(address)) is None:
            return ""
        try:
            async with asyncio.timeout(LIMIT):
                answer = await call_once(self._http, "GET", str(url), within=FETCH_LIMIT, most=MOST_PICTURE + 1)
                said = await code_in(answer.body) if answer.status == 200 else ""
        except (ServiceError, TimeoutError):
            return ""
        return said if self._is_ours(said) else ""

    def _allowed(self, address: str) -> URL | None:
        """The address as it is fetched: by the scheme of the origin it belongs to. None for one of nobody's."""
        try:
            url = URL(address)
            host = url.host
        except ValueError:
            return None
        if host is None or url.user is not None or url.scheme not in {"http", "https"}:
            return None
        for origin in self._origins:
            port = url.explicit_port if url.explicit_port is not None else origin.explicit_port
            if fnmatchcase(host, origin.host or "") and port == origin.explicit_port:
                return url.with_scheme(origin.scheme)
        return None

    def _is_ours(self, said: str) -> bool:
        if not said or _CITIZEN_CARD.match(said):
            return False
        if read(said).kind is ReadingKind.RECEIPT_TOKEN:
            return said.startswith(f"{self._public_url.rstrip('/')}/")
        return bool(find(said, limit=1))
