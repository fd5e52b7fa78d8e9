"""Headers every response carries: what a browser may do with it, and who may look."""

from collections.abc import Mapping
from types import MappingProxyType

# No script or style but our own files, nothing from other hosts, no frames; forms go to us.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
_EVERYWHERE = MappingProxyType(
    {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Robots-Tag": "noindex, nofollow",
        "Cache-Control": "no-store",
    }
)
_TWO_YEARS = 2 * 365 * 86400


def defaults(*, secure: bool) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The headers of pages and of everything else, which a handler may set otherwise; `secure` when served by https."""
    shared = dict(_EVERYWHERE)
    if secure:
        shared["Strict-Transport-Security"] = f"max-age={_TWO_YEARS}; includeSubDomains"
    return (
        MappingProxyType({**shared, "Content-Security-Policy": _PAGE_POLICY}),
        MappingProxyType({**shared, "Content-Security-Policy": _DATA_POLICY}),
    )
