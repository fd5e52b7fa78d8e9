"""What an officer typed into a form: fields in NFC, several values of a name kept, within limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from aiohttp import web

from domain.errors import Malformed
from domain.vietnamese import clean
from pages.requests import small_body
from pages.uploads import Upload, read_parts

LARGEST = 2 * 1024 * 1024  # bytes: a spreadsheet's rows pasted into a field
LARGEST_WITH_FILES = 24 * 1024 * 1024
MOST_FIELDS = 2_000
GUARD = "form"  # the field that proves a form is ours
NOTHING_TYPED = "act"  # the field of a form that is but a button: there is nothing to keep of it


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of one form; a missing one reads as empty."""

    fields: Mapping[str, tuple[str, ...]]
    files: Mapping[str, tuple[Upload, ...]] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """The first value, cleaned."""
        return clean(self.raw(name))

    def raw(self, name: str) -> str:
        """The first value as typed: for passwords, and text in which spaces count."""
        values = self.fields.get(name)
        return values[0] if values else ""

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a name, cleaned: for boxes that were ticked."""
        return tuple(clean(value) for value in self.fields.get(name, ()))

    def number(self, name: str) -> int | None:
        """A whole number of at most 18 digits; None where it is none."""
        text = self.get(name)
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None

    def typed(self) -> dict[str, str]:
        """What may be shown again or kept as a draft: first values without the form's token and passwords."""
        kept = {name: values[0] for name, values in self.fields.items() if values}
        return {name: value for name, value in kept.items() if name not in {GUARD, "draft"} and "password" not in name}


async def read_form(request: web.Request) -> Form:
    """The form a request carries, with files or without. Raises `TooLarge`, `Malformed`."""
    if request.content_type == "multipart/form-data":
        typed, files = await read_parts(request, LARGEST_WITH_FILES)
        return Form(
            {name: tuple(values) for name, values in typed.items()},
            {name: tuple(sent) for name, sent in files.items()},
        )
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType
    body = await small_body(request, LARGEST)
    try:
        fields = parse_qs(body.decode(), max_num_fields=MOST_FIELDS, keep_blank_values=True)
    except ValueError:
        raise Malformed("The form cannot be read.") from None
    return Form({name: tuple(values) for name, values in fields.items()})
