"""Forms that carry files: read part by part, refused before more than the limit is in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from domain.errors import Malformed, TooLarge

MOST_PARTS = 200
LONGEST_FIELD = 512 * 1024  # bytes of one field that is no file


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file as it was sent: its name says nothing about what it is."""

    name: str = field(repr=False)
    content: bytes = field(repr=False)


async def read_parts(request: web.Request, most: int) -> tuple[Mapping[str, list[str]], Mapping[str, list[Upload]]]:
    """The fields and the files of a `multipart/form-data` body of at most `most` bytes; empty files are left out.

    Raises `TooLarge`, `Malformed`.
    """
    refusal = TooLarge(f"The form may have {most} bytes at most.")
    if (request.content_length or 0) > most:
        raise refusal
    fields: dict[str, list[str]] = {}
    files: dict[str, list[Upload]] = {}
    left, parts = most, 0
    try:
        async for part in await request.multipart():
            parts += 1
            if parts > MOST_PARTS or not isinstance(part, BodyPartReader) or not part.name:
                raise Malformed("The form cannot be read.")
            content = bytearray()
            longest = min(left, most if part.filename else LONGEST_FIELD)
            while chunk := await part.read_chunk():
                content += chunk
                if len(content) > longest:
                    raise refusal
            left -= len(content)
            if part.filename:
                files.setdefault(part.name, []).append(Upload(name=part.filename, content=bytes(content)))
            elif part.filename is None:
                fields.setdefault(part.name, []).append(content.decode())
    except (ValueError, RuntimeError, AssertionError):  # what aiohttp raises for a body that is no multipart
        raise Malformed("The form cannot be read.") from None
    return fields, files
