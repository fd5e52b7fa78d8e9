"""The pages of the register: the newest answers and how to find one, one answer, the figures of an office."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from urllib.parse import urlencode

from aiohttp import web

from channels.web.register.asking import Asking
from channels.web.register.files import RegisterFiles
from channels.web.register.views import WORDS, OfficeView, entry_view, office_view
from domain.agency import Agency
from domain.errors import NotFound
from feedback_intake.filing import FeedbackKind
from feedback_intake.published import Reading
from feedback_intake.rates import OfficeFigures
from pages.rendering import Pages

PLACE = "/cong-khai"
OFFICES = f"{PLACE}/co-quan"
_FOUND = {"X-Robots-Tag": "all"}
_NOT_FOUND_BY = {"X-Robots-Tag": "noindex"}


class RegisterPages:
    """Routes of the pages and, through `files`, of everything that is no page."""

    def __init__(self, *, pages: Pages, reading: Reading, asking: Asking, files: RegisterFiles) -> None:
        self._pages = pages
        self._reading = reading
        self._asking = asking
        self._files = files

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every page and file."""
        return [
            web.get(PLACE, self.newest),
            web.get(f"{PLACE}/{{n:[0-9]{{1,15}}}}", self.entry),
            web.get(OFFICES, self.offices),
            web.get(f"{OFFICES}/{{code}}", self.office),
            web.get(f"{PLACE}/kiem-chung", self.verifying),
            *self._files.routes(),
        ]

    async def newest(self, request: web.Request) -> web.Response:
        """GET /cong-khai: the newest answers that fit what is asked."""
        asked = self._asking.understood(request)
        nothing = asked.unknown_office or asked.offices
        found = None if nothing else await self._reading.newest(asked.wanted)
        ends = await self._reading.ends()
        language = self._pages.language(request)
        query = {name: value for name, value in asked.typed.items() if value}
        return self._pages.render(
            request,
            "register.html",
            headers=_NOT_FOUND_BY if asked.filtered or asked.wanted.before else _FOUND,
            tell=self._teller(request),
            asked=asked,
            typed=asked.typed,
            entries=[entry_view(entry, language) for entry in found.entries] if found else [],
            unsearched=found is not None and found.unsearched,
            older=_address(PLACE, query | {"before": str(found.before)}) if found and found.before else None,
            first_page=asked.wanted.before is None,
            newest=_address(PLACE, query),
            offices=[(office.name, _address(PLACE, query | {"agency": office.code})) for office in asked.offices],
            empty_register=ends is None,
            years=list(reversed(ends.years)) if ends else [],
            kinds=tuple(FeedbackKind),
            data=[(kind, _address(f"{PLACE}.{kind}", query)) for kind in ("json", "csv")],
            feed=_address(f"{PLACE}.atom", query),
        )

    async def entry(self, request: web.Request) -> web.Response:
        """GET /cong-khai/{id}: one question and its answer, or what became of them."""
        entry = await self._reading.entry(int(request.match_info["n"]))
        if entry is None:
            raise NotFound("There is no such entry.")
        gone = entry.question is None
        return self._pages.render(
            request,
            "register_entry.html",
            status=410 if gone else 200,
            headers=_NOT_FOUND_BY if gone or entry.replaced_by else _FOUND,
            tell=self._teller(request),
            entry=entry_view(entry, self._pages.language(request)),
        )

    async def offices(self, request: web.Request) -> web.Response:
        """GET /cong-khai/co-quan: the figures of all offices together, and of those right below the root."""
        root = self._asking.root()
        if root is None:
            raise NotFound("There is no office.")
        return await self._figures(request, root)

    async def office(self, request: web.Request) -> web.Response:
        """GET /cong-khai/co-quan/{code}: the figures of an office with all below it."""
        return await self._figures(request, self._asking.office(request.match_info["code"].upper()))

    async def verifying(self, request: web.Request) -> web.Response:
        """GET /cong-khai/kiem-chung: how anybody checks that nothing was tampered with."""
        known = await self._reading.checkpoints()
        return self._pages.render(
            request,
            "register_verifying.html",
            headers=_FOUND,
            tell=self._teller(request),
            url=self._files.url,
            newest=known[0] if known else None,
        )

    async def _figures(self, request: web.Request, agency: Agency) -> web.Response:
        below = self._asking.directly_below(agency)
        figures = await self._reading.figures(each.agency_id for each in (agency, *below))
        view = partial(self._office_view, figures=figures, request=request)
        return self._pages.render(
            request,
            "register_office.html",
            headers=_FOUND,
            tell=self._teller(request),
            office=view(agency),
            is_root=agency.parent_id is None,
            above=[(each.name, f"{OFFICES}/{each.code}") for each in reversed(self._asking.above(agency))],
            below=[view(each) for each in below],
            entries=_address(PLACE, {} if agency.parent_id is None else {"agency": agency.code}),
            data=[(kind, f"{OFFICES}.{kind}?{urlencode({'agency': agency.code})}") for kind in ("json", "csv")],
        )

    def _office_view(self, agency: Agency, *, figures: Mapping[int, OfficeFigures], request: web.Request) -> OfficeView:
        language = self._pages.language(request)
        name = agency.name_en if language == "en" and agency.name_en else agency.name
        closed = agency.valid_to is not None
        return office_view(
            agency.code,
            name,
            figures.get(agency.agency_id) or OfficeFigures.nothing(agency.agency_id),
            language,
            closed=closed,
        )

    def _teller(self, request: web.Request) -> Callable[..., str]:
        return partial(WORDS.say, self._pages.language(request))


def _address(place: str, query: dict[str, str]) -> str:
    return f"{place}?{urlencode(query)}" if query else place
