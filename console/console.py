"""The console as the service mounts it: every route under /console, and the page that says what went wrong."""

from collections.abc import Iterable, Sequence

from aiohttp import web

from console.entrance import Entrance
from console.guard import Guard
from console.means import Means
from console.page import Page
from console.places import PLACES
from console.visit import HOME, WORDS
from pages.problems import REQUEST_ID, Problem


class Console:
    """All pages of `places`, by default every one there is."""

    def __init__(self, means: Means, *, places: Sequence[Page] = PLACES) -> None:
        self._means = means
        self._places = tuple(places)
        self._guard = Guard(means)
        self._guard.knows(self._places)
        self._entrance = Entrance(means, self._guard)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every route."""
        found: list[web.AbstractRouteDef] = [*self._entrance.routes()]
        for page in self._places:
            found.append(web.get(page.url, self._guard.shows(page, page.shows)))
            found += [
                web.get(page.url + below, self._guard.shows(page, part, rare=below in page.rare))
                for below, part in page.parts.items()
            ]
            found += [
                web.post(
                    page.url + below, self._guard.does(page, deed, rare=below in page.rare, kept=below in page.kept)
                )
                for below, deed in page.does.items()
            ]
        return found

    def owns(self, path: str) -> bool:
        """Whether a path is one of the console's."""
        return path == HOME or path.startswith(f"{HOME}/")

    def problem(self, request: web.Request, problem: Problem) -> web.Response:
        """The page that says what went wrong and what to do."""
        language = self._means.pages.language(request)
        code = problem.code if WORDS.has(language, f"problem.{problem.code}.title") else "malformed"
        return self._means.pages.render(
            request,
            "console_problem.html",
            status=problem.status,
            headers={"Cache-Control": "no-store", **dict(problem.headers)},
            language_url=f"{HOME}?lang={self._means.pages.other_language(request)}",
            code=code,
            reference=request[REQUEST_ID].decode() if problem.ours else "",
        )
