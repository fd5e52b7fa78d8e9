"""Printing: from what the store knows of dossiers to slips, and from slips to files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from io import BytesIO
from types import MappingProxyType
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from channels.receipts.layout import a5, roll
from channels.receipts.painting import pdf, png, svg
from channels.receipts.slip import Link, Slip, WaysToAsk, slip
from domain.errors import Unavailable
from domain.language import Language
from lookup.receipt_tokens import ReceiptKeys
from lookup.receipts import SlipFacts
from lookup.registry import Registry


class Format(StrEnum):
    """What a slip is made as: an A5 page, a PDF 80 mm wide, or the same roll as a picture (203 dpi) or drawing."""

    PDF = "pdf"
    THERMAL = "thermal"
    PNG = "png"
    SVG = "svg"


CONTENT_TYPE = MappingProxyType(
    {
        Format.PDF: "application/pdf",
        Format.THERMAL: "application/pdf",
        Format.PNG: "image/png",
        Format.SVG: "image/svg+xml",
    }
)
ZIP = "application/zip"
_PAGES = frozenset({Format.PDF, Format.THERMAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How slips are wanted: their language, and smaller codes beside the large one."""

    language: Language = Language.VIETNAMESE
    links: frozenset[Link] = frozenset()


class Printing:
    """Makes slips with tokens of their own."""

    def __init__(
        self, *, keys: ReceiptKeys, registry: Registry, ways: WaysToAsk, clock: Callable[[], datetime]
    ) -> None:
        self._keys = keys
        self._registry = registry
        self._ways = ways
        self._clock = clock

    def slip(self, facts: SlipFacts, wanted: Wanted, *, specimen: bool, secret: str | None = None) -> Slip:
        """The slip of one dossier, issued now. Raises `Unavailable` for an office newer than our picture of them."""
        office = self._registry.agency(facts.receiving_agency)
        if office is None:
            raise Unavailable("The office of this dossier is being set up. Please try again shortly.")
        receipt = facts.receipt(office.code, self._clock(), specimen=specimen)
        return slip(
            receipt,
            self._keys.issue(receipt),
            office=office,
            procedure_name=facts.procedure_name,
            ways=self._ways,
            language=wanted.language,
            secret=secret,
            chat_token=self._keys.issue_for_chat(receipt),
            links=wanted.links,
        )


def printed(one: Slip, made_as: Format) -> bytes:
    """One slip as a file. Takes 10 to 30 ms."""
    match made_as:
        case Format.PDF:
            return pdf([a5(one)])
        case Format.THERMAL:
            return pdf([roll(one)])
        case Format.PNG:
            return png(roll(one))
        case Format.SVG:
            return svg(roll(one)).encode()


def printed_together(slips: Sequence[Slip], made_as: Format, *, progress: Callable[[], None] | None = None) -> bytes:
    """Many slips as one file: a PDF with a page each, or a ZIP with a picture each. `progress` is told of each slip."""

    def told() -> Iterator[Slip]:
        for one in slips:
            yield one
            if progress:
                progress()

    if made_as in _PAGES:
        paper = a5 if made_as is Format.PDF else roll
        return pdf(paper(one) for one in told())
    written = BytesIO()
    with ZipFile(written, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        for n, one in enumerate(told(), start=1):
            archive.writestr(ZipInfo(f"{n:04d}-{file_name(one.code)}.{made_as}"), printed(one, made_as))
    return written.getvalue()


def file_name(code: str) -> str:
    """A code as part of a file's name, on any system."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "_" for c in code)


def content_type_together(made_as: Format) -> str:
    """What `printed_together` makes."""
    return CONTENT_TYPE[made_as] if made_as in _PAGES else ZIP
