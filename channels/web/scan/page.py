"""The page that reads a slip's QR or bar code: by the camera, or from a photograph, in the browser alone."""

from collections.abc import Iterable
from functools import partial

from aiohttp import web

from lookup.wording import Words
from pages.rendering import Pages

_WORDS = Words("channels.web.scan")

# The only page that may use the camera; it asks for it when somebody taps.
_CAMERA_HERE = "camera=(self), geolocation=(), microphone=(), payment=(), usb=()"
_SAID = (
    "starting",
    "looking",
    "refused",
    "no_camera",
    "busy",
    "not_possible",
    "too_long",
    "reading",
    "nothing_read",
    "not_ours",
    "found",
    "opening",
    "no_decoder",
)


class ScanPage:
    """GET /quet."""

    def __init__(self, *, pages: Pages) -> None:
        self._pages = pages

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The page."""
        return [web.get("/quet", self.page)]

    async def page(self, request: web.Request) -> web.Response:
        """GET /quet"""
        language = self._pages.language(request)
        return self._pages.render(
            request,
            "scan.html",
            headers={"Permissions-Policy": _CAMERA_HERE},
            words=partial(_WORDS.say, language),
            said={key: _WORDS.say(language, f"said.{key}") for key in _SAID},
        )
