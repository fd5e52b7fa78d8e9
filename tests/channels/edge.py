"""An application as the webhooks stand in one: our errors become answers by the same table as in production."""

from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Handler

from pages.problems import problem_json, problem_of


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Exception as error:
        return problem_json(problem_of(error), "test")


def edge(routes: Iterable[web.AbstractRouteDef]) -> web.Application:
    """The application of `routes`."""
    app = web.Application(middlewares=[_answer_errors])
    app.add_routes(routes)
    return app
