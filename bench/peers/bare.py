"""The limit for a handler on aiohttp: one static route, one prepared body, no middleware, no log."""

import sys

import uvloop
from aiohttp import web

BODY = b'{"answer":"' + b"x" * 582 + b'"}'  # 595 bytes


async def answer(_request: web.Request) -> web.Response:
    """Always the same."""
    return web.Response(body=BODY, content_type="application/json")


def main() -> None:
    """Serve on the port named."""
    app = web.Application()
    app.router.add_get("/", answer)
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
