"""Painters: one drawing as PDF, as a black and white picture for thermal printers and screens, or as SVG."""

import threading
from collections.abc import Iterable
from functools import cache, lru_cache
from io import BytesIO
from itertools import chain
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from channels.receipts.layout import DOT, Box, Mark, Sheet, Symbol, Text
from channels.receipts.typefaces import Weight, typeface

DOTS_PER_INCH = 203
_COMPRESSION = 3  # of 9: a third larger than the smallest file, in a quarter of the time


# --- PDF ---

_one_pdf_at_a_time = threading.Lock()  # reportlab keeps its typefaces in one place for all documents


def pdf(sheets: Iterable[Sheet]) -> bytes:
    """One page a sheet, of which there is at least one. Text can be searched and read aloud."""
    coming = iter(sheets)
    first = next(coming)
    with _one_pdf_at_a_time:
        _register_typefaces()
        written = BytesIO()
        canvas = Canvas(written, pageCompression=1, lang=first.slip.language, initialFontName=Weight.REGULAR.value)
        canvas.setAuthor(first.slip.office)
        canvas.setTitle(f"{first.slip.title} {first.slip.code}")
        for n, sheet in enumerate(chain([first], coming)):
            if n == 1:
                canvas.setTitle(first.slip.title)
            canvas.setPageSize((sheet.width * mm, sheet.height * mm))
            _paint_pdf(canvas, sheet)
            canvas.showPage()
        canvas.save()
        return written.getvalue()


@cache
def _register_typefaces() -> None:
    for weight in Weight:
        pdfmetrics.registerFont(TTFont(weight.value, str(typeface(weight).file)))


def _paint_pdf(canvas: Canvas, sheet: Sheet) -> None:
    for mark in sheet.marks:
        if isinstance(mark, Text):
            canvas.setFillGray(1 if mark.light else 0)
            canvas.setFont(mark.weight.value, mark.size * mm)
            canvas.drawString(mark.left * mm, (sheet.height - mark.y) * mm, mark.text)
            continue
        canvas.setFillGray(0)
        path = canvas.beginPath()
        for x, y, width, height in _rectangles(mark):
            path.rect(x * mm, (sheet.height - y - height) * mm, width * mm, height * mm)
        canvas.drawPath(path, stroke=0, fill=1)


# --- picture ---


def png(sheet: Sheet) -> bytes:
    """The sheet at 203 dpi, eight dots a millimetre, in black and white: what a thermal head prints dot by dot."""
    size = (round(sheet.width / DOT), round(sheet.height / DOT))
    image = Image.new("1", size, 1)
    draw = ImageDraw.Draw(image)
    for mark in sheet.marks:
        if isinstance(mark, Text):
            _draw_text(draw, mark)
            continue
        for x, y, width, height in _rectangles(mark):
            left, top = round(x / DOT), round(y / DOT)
            right, bottom = round((x + width) / DOT) - 1, round((y + height) / DOT) - 1
            draw.rectangle((left, top, max(left, right), max(top, bottom)), fill=0)
    written = BytesIO()
    image.save(written, "PNG", dpi=(DOTS_PER_INCH, DOTS_PER_INCH), compress_level=_COMPRESSION)
    return written.getvalue()


def _draw_text(draw: ImageDraw.ImageDraw, text: Text) -> None:
    """Letter by letter from bitmaps made once: to have each line set anew takes three times as long."""
    face, x, base = typeface(text.weight), text.left, round(text.y / DOT)
    quarter_dots = round(text.size / DOT * 4)
    for character in text.text:
        letter = _letter(text.weight, quarter_dots, character)
        if letter is not None:
            bitmap, left, top = letter
            draw.bitmap((round(x / DOT) + left, base + top), bitmap, fill=int(text.light))
        x += face.glyph(character).advance * text.size / 1000


@lru_cache(maxsize=4096)
def _letter(weight: Weight, quarter_dots: int, character: str) -> tuple[Image.Image, int, int] | None:
    """A letter as dots, and where they begin right of and below its place on the base line; None for a space."""
    font = _picture_font(weight, quarter_dots)
    left, top, right, bottom = map(round, font.getbbox(character, mode="1", anchor="ls"))
    if right <= left or bottom <= top:
        return None
    bitmap = Image.new("1", (right - left, bottom - top), 0)
    ImageDraw.Draw(bitmap).text((-left, -top), character, fill=1, font=font, anchor="ls")
    return bitmap, left, top


@cache
def _picture_font(weight: Weight, quarter_dots: int) -> ImageFont.FreeTypeFont:
    with typeface(weight).file.open("rb") as file:
        return ImageFont.truetype(BytesIO(file.read()), quarter_dots / 4, layout_engine=ImageFont.Layout.BASIC)


# --- SVG ---


def svg(sheet: Sheet) -> str:
    """The sheet with every letter as an outline, so that it looks the same without our typeface; units are mm."""
    used: dict[tuple[Weight, str], str] = {}
    drawn = [_svg_text(mark, used) if isinstance(mark, Text) else _svg_dark(mark) for mark in sheet.marks]
    shapes = "".join(
        f'<path id="{name}" d="{typeface(weight).glyph(character).outline}"/>'
        for (weight, character), name in used.items()
    )
    slip = sheet.slip
    told = "; ".join((slip.code, slip.office, *(f"{fact.label}: {fact.value}" for fact in slip.facts)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(sheet.width)}mm" height="{_n(sheet.height)}mm" '
        f'viewBox="0 0 {_n(sheet.width)} {_n(sheet.height)}" role="img" lang="{slip.language.value}">'
        f"<title>{escape(slip.title)}</title><desc>{escape(told)}</desc><defs>{shapes}</defs>"
        f'<rect width="100%" height="100%" fill="#fff"/><g fill="#000">{"".join(drawn)}</g></svg>'
    )


def _svg_text(text: Text, used: dict[tuple[Weight, str], str]) -> str:
    face, x, letters = typeface(text.weight), 0.0, []
    for character in text.text:
        glyph = face.glyph(character)
        if glyph.outline:
            name = used.setdefault((text.weight, character), f"g{len(used)}")
            letters.append(f'<use href="#{name}" x="{_n(x)}"/>')
        x += glyph.advance
    light = ' fill="#fff"' if text.light else ""
    scale = f"{text.size / 1000:.5g}"
    return (
        f'<g transform="translate({_n(text.left)} {_n(text.y)}) scale({scale} -{scale})"{light}>{"".join(letters)}</g>'
    )


def _svg_dark(mark: Box | Symbol) -> str:
    if isinstance(mark, Box):
        return f'<rect x="{_n(mark.x)}" y="{_n(mark.y)}" width="{_n(mark.width)}" height="{_n(mark.height)}"/>'
    outline = "".join(f"M{column} {row}h{width}v{height}h-{width}z" for column, row, width, height in mark.pattern.dark)
    placed = f"translate({_n(mark.x)} {_n(mark.y)}) scale({_n(mark.module)} {_n(mark.row)})"
    return f'<path shape-rendering="crispEdges" transform="{placed}" d="{outline}"/>'


def _n(length: float) -> str:
    return f"{length:.3f}".rstrip("0").rstrip(".")


def _rectangles(mark: Mark) -> list[tuple[float, float, float, float]]:
    """The dark rectangles of a mark that is no text: x, y, width, height in mm."""
    if isinstance(mark, Symbol):
        return [
            (mark.x + c * mark.module, mark.y + r * mark.row, w * mark.module, h * mark.row)
            for c, r, w, h in mark.pattern.dark
        ]
    return [(mark.x, mark.y, mark.width, mark.height)] if isinstance(mark, Box) else []
