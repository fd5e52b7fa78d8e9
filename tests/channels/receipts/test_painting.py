"""Slips on paper: everything stands on the sheet, is read back by zxing-cpp, and keeps its Vietnamese letters."""

import re
import time
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from PIL import Image, ImageDraw

from channels.receipts.layout import A5, DOT, ROLL_MARGIN, ROLL_WIDTH, Box, Sheet, Symbol, Text, a5, roll
from channels.receipts.painting import pdf, png, svg
from channels.receipts.slip import Link
from channels.receipts.typefaces import Weight, typeface
from tests.channels.receipts.optics import blurred, faded, opened, page_text, rasterised, read, smaller, turned
from tests.channels.receipts.sample_slips import CODE, LONG_CODE, LONGEST_CODE, SECRET, SLIPS, sample

PAPERS = {"roll": roll, "a5": a5}
THERMAL = 203  # dpi
SVG = "{http://www.w3.org/2000/svg}"


def extent(mark: Text | Box | Symbol) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a mark."""
    if isinstance(mark, Text):
        return mark.left, mark.y - mark.size, mark.left + typeface(mark.weight).width(mark.text, mark.size), mark.y
    if isinstance(mark, Symbol):
        pattern = mark.pattern
        return mark.x, mark.y, mark.x + pattern.columns * mark.module, mark.y + pattern.rows * mark.row
    return mark.x, mark.y, mark.x + mark.width, mark.y + mark.height


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("name", SLIPS)
def test_everything_stands_on_the_paper_and_nothing_on_a_code(name: str, paper: str) -> None:
    sheet = PAPERS[paper](SLIPS[name])
    margin = ROLL_MARGIN if paper == "roll" else 5.0
    for mark in sheet.marks:
        left, top, right, bottom = extent(mark)
        assert margin - 0.01 <= left < right <= sheet.width - margin + 0.01, mark
        assert 0 <= top < bottom <= sheet.height - 3, mark
    symbols = [mark for mark in sheet.marks if isinstance(mark, Symbol)]
    for symbol in symbols:
        # The quiet zone of a QR is 4 modules on all sides, that of a bar code 10 on the left and the right, where the
        # margin of the paper counts.
        left, top, right, bottom = extent(symbol)
        across, along = (10, 0) if symbol.pattern.rows == 1 else (4, 4)
        quiet = (
            left - across * symbol.module,
            top - along * symbol.module,
            right + across * symbol.module,
            bottom + along * symbol.module,
        )
        assert quiet[0] >= -0.01
        assert quiet[2] <= sheet.width + 0.01
        for other in sheet.marks:
            if other is not symbol:
                a = extent(other)
                apart = a[2] <= quiet[0] or a[0] >= quiet[2] or a[3] <= quiet[1] or a[1] >= quiet[3] - 0.3
                assert apart, (symbol.pattern.columns, other)


@pytest.mark.parametrize("name", SLIPS)
def test_on_the_roll_modules_are_whole_dots(name: str) -> None:
    for mark in roll(SLIPS[name]).marks:
        if isinstance(mark, Symbol):
            for length in (mark.x, mark.y, mark.module):
                assert (length / DOT).is_integer()


@pytest.mark.parametrize("name", SLIPS)
@pytest.mark.parametrize("paper", ["picture", "roll", "a5"])
def test_what_is_printed_is_read_back(name: str, paper: str) -> None:
    slip = SLIPS[name]
    image = opened(png(roll(slip))) if paper == "picture" else rasterised(pdf([PAPERS[paper](slip)]), THERMAL)
    texts = {slip.address, *(code.content for code in slip.small_codes)}
    if slip.code.isascii() and len(slip.code) <= len(LONG_CODE):
        texts.add(slip.code)
    assert read(image) == texts


DISTORTIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "out of focus": lambda image: blurred(image, 0.2, THERMAL / 25.4),
    "held askew": lambda image: turned(image, 17),
    "upside down": lambda image: turned(image, 180),
    "faded": faded,
    "far away": lambda image: smaller(image, 0.6),
    "all of it": lambda image: turned(faded(blurred(image, 0.2, THERMAL / 25.4)), -8),
}


FAR_OUT = {"far out of focus": lambda image: blurred(image, 0.3, THERMAL / 25.4)}  # beyond zbar


@pytest.mark.parametrize("distortion", [*DISTORTIONS, *FAR_OUT])
@pytest.mark.parametrize("name", ["usual", "long", "longest code"])
def test_the_receipt_is_read_from_bad_pictures(name: str, distortion: str) -> None:
    slip = SLIPS[name]
    for image in (opened(png(roll(slip))), rasterised(pdf([a5(slip)]), THERMAL)):
        assert slip.address in read((DISTORTIONS | FAR_OUT)[distortion](image)), image.size


def test_a_code_too_long_for_bars_has_none() -> None:
    symbols = [mark for mark in roll(sample(LONGEST_CODE)).marks if isinstance(mark, Symbol)]
    assert [symbol.pattern.rows > 1 for symbol in symbols] == [True]
    kept = [mark for mark in roll(sample(LONG_CODE)).marks if isinstance(mark, Symbol)]
    assert [symbol.pattern.rows > 1 for symbol in kept] == [False, True]


def test_a_pdf_holds_its_words_with_every_accent() -> None:
    every = "Ế Ộ Ỹ ữ ẫ Đ đ Ặ ổ ợ ự ỵ Ẵ ẩ"
    for paper in PAPERS.values():
        text = page_text(pdf([paper(sample(procedure=every, secret=SECRET))]))
        for words in (every, SECRET, "Thứ Sáu, 20/11/2026", f"{CODE} gửi 8088", "0222 3822 016"):
            assert words in text, words


def test_letters_that_the_typeface_lacks_lose_their_accent_or_become_a_question_mark() -> None:
    face = typeface(Weight.REGULAR)
    assert face.printable("E\u0302\u0301 Ế ‑ ǎ 😀 中\u00a0|") == "Ế Ế - a ? ? |"
    assert typeface(Weight.STRONG).printable("Ỡ") == "Ỡ"


def test_lines_break_between_words_and_long_words_where_they_must() -> None:
    face = typeface(Weight.REGULAR)
    lines = face.lines("Cấp Giấy xác nhận " + "x" * 200, 3.5, 60)
    assert all(face.width(line, 3.5) <= 60 for line in lines)
    assert "".join(lines).count("x") == 201
    assert face.lines("a b c " * 100, 3.5, 60, 2)[-1].endswith("…")
    assert face.lines("", 3.5, 60) == []
    even = face.even_lines("Giấy tiếp nhận hồ sơ và hẹn trả kết quả", 4.2, 72)
    assert even == ["Giấy tiếp nhận hồ sơ", "và hẹn trả kết quả"] or len(even) == 1


def test_a_pdf_of_many_slips_has_a_page_for_each() -> None:
    slips = [sample(f"H05.16-261102-{n:04d}") for n in range(1, 6)]
    document = pdf([a5(slip) for slip in slips])
    for page, slip in enumerate(slips):
        assert slip.address in read(rasterised(document, 150, page))
    assert len(document) < 5 * len(pdf([a5(slips[0])]))  # typefaces are there once


def test_papers_have_their_sizes() -> None:
    sheet = a5(sample())
    assert (sheet.width, sheet.height) == A5
    picture = opened(png(roll(sample())))
    assert picture.width == ROLL_WIDTH / DOT == 640
    assert rasterised(pdf([roll(sample())]), 254).width == pytest.approx(800, abs=1)


def painted(drawing: str) -> Image.Image:
    """The patterns of an SVG, sixteen dots a millimetre; letters and lines are left out."""
    root = ET.fromstring(drawing)  # noqa: S314 - our own
    width, height = (float(part) for part in root.attrib["viewBox"].split()[2:])
    image = Image.new("L", (round(width * 16), round(height * 16)), 255)
    draw = ImageDraw.Draw(image)
    for path in root.iter(f"{SVG}path"):
        if placed := re.fullmatch(
            r"translate\(([\d.]+) ([\d.]+)\) scale\(([\d.]+) ([\d.]+)\)", path.get("transform", "")
        ):
            left, top, module, row = (float(number) * 16 for number in placed.groups())
            for run in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-", path.attrib["d"]):
                x, y, w, h = map(int, run)
                corners = (left + x * module, top + y * row, left + (x + w) * module - 1, top + (y + h) * row - 1)
                draw.rectangle(tuple(map(round, corners)), 0)
    return image


@pytest.mark.parametrize("name", SLIPS)
def test_an_svg_holds_the_codes_and_stands_alone(name: str) -> None:
    slip = SLIPS[name]
    drawing = svg(roll(slip))
    assert slip.address in read(painted(drawing))
    root = ET.fromstring(drawing)  # noqa: S314 - our own
    title, told = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert title.text == slip.title
    assert told is not None
    assert slip.code in (told.text or "")
    assert {"script", "style", "image", "text"}.isdisjoint(element.tag.removeprefix(SVG) for element in root.iter())
    shapes = {f"#{shape.get('id')}" for shape in root.iter(f"{SVG}path") if shape.get("id")}
    assert shapes == {use.get("href") for use in root.iter(f"{SVG}use")}


@pytest.mark.parametrize(
    ("make", "at_most"),
    [
        (png, 0.3),
        (svg, 0.3),
        (lambda sheet: pdf([sheet]), 0.5),
    ],
    ids=["png", "svg", "pdf"],
)
def test_a_slip_is_made_at_once(make: Callable[[Sheet], object], at_most: float) -> None:
    """Generous, because the machine may be busy: `python -m bench receipts` has the figures."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        make(roll(sample(links=frozenset({Link.SMS}))))
        took.append(time.perf_counter() - began)
    assert min(took) < at_most
