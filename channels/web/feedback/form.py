"""What the form brings: its fields within their lengths, its files within their sizes, whatever comes in what order."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from domain.errors import Malformed
from domain.vietnamese import clean
from feedback_intake.attachments import LARGEST
from feedback_intake.drafts import MOST_BYTES, MOST_FILES
from feedback_intake.filing import LONGEST_ADDRESS, LONGEST_NAME, LONGEST_TEXT
from pages.requests import small_form

# Characters that are kept of each field; what is longer is kept as far as that, and said.
LENGTHS = {
    "text": LONGEST_TEXT,
    "kind": 16,
    "code": 256,
    "office": 64,
    "office_name": 200,
    "place": 64,
    "subject": 32,
    "name": LONGEST_NAME,
    "phone": 40,
    "email": 254,
    "postal_address": LONGEST_ADDRESS,
    "may_publish": 16,
}
_OF_THE_PAGE = {"draft": 64, "go": 16, "sure": 16}
MOST_BODY = MOST_BYTES + 1024 * 1024  # read no further than that
_MOST_URLENCODED = 64 * 1024  # bytes: all fields in Vietnamese, each letter of three bytes written as nine
_BYTES_A_CHARACTER = 4
_MOST_PARTS = 60
_CHUNK = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """A file as it came; `too_large`: only its beginning was read."""

    name: str = field(repr=False)
    content: bytes = field(repr=False)
    too_large: bool = False


@dataclass(slots=True, kw_only=True)
class Sent:
    """A form as it came. `fields`: those of `LENGTHS`, clean; `cut`: names of those that were too long."""

    fields: dict[str, str] = field(default_factory=dict, repr=False)
    draft: str = ""
    go: str = "send"
    sure: str = ""
    dropped: list[int] = field(default_factory=list)  # files of the draft to be thrown away
    files: list[SentFile] = field(default_factory=list)
    too_many: bool = False  # files, or bytes of them
    cut: list[str] = field(default_factory=list)

    def take(self, name: str, value: str) -> None:
        """Keep one field; unknown ones are dropped."""
        value = clean(value.replace("\r\n", "\n"))
        if name in LENGTHS:
            if len(value) > LENGTHS[name]:
                self.cut.append(name)
            self.fields[name] = value[: LENGTHS[name]]
        elif name in _OF_THE_PAGE:
            setattr(self, name, value[: _OF_THE_PAGE[name]])
        elif name == "drop" and value.isascii() and value.isdigit() and len(value) < 19:
            self.dropped.append(int(value))


async def sent(request: web.Request) -> Sent:
    """The form of `request`, multipart or urlencoded. Raises `Malformed`, `TooLarge`."""
    form = Sent()
    if request.content_type == "application/x-www-form-urlencoded":
        for name, value in (await small_form(request, _MOST_URLENCODED, fields=40)).items():
            form.take(name, value)
        return form
    if request.content_type != "multipart/form-data":
        raise web.HTTPUnsupportedMediaType
    try:
        await _read(request, form)
    except (ValueError, AssertionError, RuntimeError, LookupError):
        raise Malformed("The form cannot be read.") from None
    return form


async def _read(request: web.Request, form: Sent) -> None:
    left, parts = MOST_BODY, 0
    reader = await request.multipart()
    while left > 0 and (part := await reader.next()) is not None:
        parts += 1
        if not isinstance(part, BodyPartReader) or parts > _MOST_PARTS:
            raise Malformed("The form cannot be read.")
        name = part.name or ""
        if part.filename is None:
            most = LENGTHS.get(name, 64) * _BYTES_A_CHARACTER + 1
            content, whole, left = await _content(part, most, left)
            form.take(name, content.decode("utf-8", "ignore"))
            if not whole and name not in form.cut:
                form.cut.append(name)
            continue
        content, whole, left = await _content(part, LARGEST, left)
        if not content and not part.filename:  # no file was chosen
            continue
        if name == "files" and len(form.files) < MOST_FILES:
            form.files.append(SentFile(name=part.filename, content=content, too_large=not whole))
        else:
            form.too_many = True
    form.too_many = form.too_many or left <= 0


async def _content(part: Any, most: int, left: int) -> tuple[bytes, bool, int]:  # noqa: ANN401 - aiohttp's own
    """The first `most` bytes of a part, whether that is all of it, and how much may still be read."""
    kept = bytearray()
    whole = True
    while left > 0 and (chunk := await part.read_chunk(_CHUNK)):
        left -= len(chunk)
        whole = whole and len(kept) + len(chunk) <= most
        kept += chunk[: most - len(kept)]
    return bytes(kept), whole, left
