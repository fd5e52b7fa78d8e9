"""Pictures that a platform names by their address: fetched from its own hosts alone, read for a code, and dropped."""

import asyncio
from fnmatch import fnmatchcase

import aiohttp
from yarl import URL

from channels.channel import KeepPicture
from channels.pictures import MOST_PICTURE, code_in
from channels.provider_call import call_once
from domain.contact import Contact
from domain.errors import ServiceError

_FETCHING = 0.65  # of the time there is for all


class LinkedPictures:
    """Reads the code of a slip that was photographed."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        origins: str,
        *,
        public_url: str,
        within: float,
        keep: KeepPicture | None = None,
    ) -> None:
        """`origins` are where pictures may come from, comma-separated, `https://*.zdn.vn`; `within`: seconds for all of
        one picture; `keep` keeps those that belong to what their sender files."""
        self._http = http
        self._origins = tuple(URL(origin.strip()) for origin in origins.split(",") if origin.strip())
        self._public_url = public_url
        self._within = within
        self._keep = keep

    async def code_in(self, address: str, sender: Contact) -> str:
        """What `channels.pictures.code_in` finds in the picture at `address`, or the number of the feedback it is kept
        with; '' where it is elsewhere, or late."""
        if (url := self.allowed(address)) is None:
            return ""
        try:
            async with asyncio.timeout(self._within):
                answer = await call_once(
                    self._http, "GET", str(url), within=self._within * _FETCHING, most=MOST_PICTURE + 1
                )
                if answer.status != 200:
                    return ""
                code = await code_in(answer.body, public_url=self._public_url)
                return code or (await self._keep(sender, answer.body) if self._keep else "")
        except (ServiceError, TimeoutError):
            return ""

    def allowed(self, address: str) -> URL | None:
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
