"""Where things stand on the two papers: one drawing in millimetres, which every painter paints alike.

The roll is 80 mm wide with 72 mm that thermal printers reach: 576 dots at 203 dpi, eight a millimetre. What machines
read there stands on whole dots, so that no printer has to round a module.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from channels.receipts.slip import Fact, Slip, SmallCode
from channels.receipts.symbols import BAR_QUIET_ZONE, QUIET_ZONE, Pattern, bars, qr
from channels.receipts.typefaces import CAP_HEIGHT, Weight, typeface

DOT = 0.125  # mm, at 203 dpi
ROLL_WIDTH, ROLL_MARGIN = 80.0, 4.0
A5 = (148.0, 210.0)
A5_MARGIN = 12.0
LARGEST_QR = 42.0  # mm without its quiet zone: what an old camera reads at arm's length
SMALL_MODULE = 4 * DOT
NARROWEST_BAR = 2 * DOT  # a module of the bar code; hand-held scanners ask for 0.25 mm
LEADING = 1.36


class Anchor(StrEnum):
    """Which end of a text stands at its x."""

    START = "start"
    MIDDLE = "middle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One line of printable text; `y` is its base line. `light` on a dark box."""

    x: float
    y: float
    size: float
    text: str
    weight: Weight = Weight.REGULAR
    anchor: Anchor = Anchor.START
    light: bool = False

    @property
    def left(self) -> float:
        """Where it begins."""
        shift = typeface(self.weight).width(self.text, self.size) / 2 if self.anchor is Anchor.MIDDLE else 0
        return self.x - shift


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A dark rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """A pattern for machines: its top left corner, the width of a module and the height of a row."""

    x: float
    y: float
    pattern: Pattern
    module: float
    row: float


Mark = Text | Box | Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A drawing, in millimetres from the top left corner."""

    width: float
    height: float
    marks: tuple[Mark, ...]
    slip: Slip


class _Column:
    """A column of a sheet that is filled from the top."""

    def __init__(self, x: float, y: float, width: float) -> None:
        self.x = x
        self.y = y
        self.width = width
        self.marks: list[Mark] = []

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    def text(
        self,
        text: str,
        size: float,
        *,
        weight: Weight = Weight.REGULAR,
        anchor: Anchor = Anchor.START,
        most: int | None = None,
        light: bool = False,
    ) -> None:
        """`text` in lines of the column's width."""
        face = typeface(weight)
        breaking = face.lines if anchor is Anchor.START else face.even_lines
        for line in breaking(text, size, self.width, most):
            x = self.x if anchor is Anchor.START else self.middle
            self._line(Text(x=x, y=0, size=size, text=line, weight=weight, anchor=anchor, light=light))

    def fitted(self, parts: Sequence[str], largest: float, smallest: float, *, anchor: Anchor) -> None:
        """The groups of a code on one line as large as it can be; on several where even the smallest is too wide."""
        face, text = typeface(Weight.STRONG), " – ".join(parts)
        size = min(largest, self.width / face.width(face.printable(text), 1.0))
        if size >= smallest:
            self.text(text, size, weight=Weight.STRONG, anchor=anchor)
            return
        # The office on a line of its own: people read out the day and the number together.
        for line in (f"{parts[0]} –", " – ".join(parts[1:])) if len(parts) > 1 else parts:
            self.text(line, smallest, weight=Weight.STRONG, anchor=anchor)

    def fact(self, fact: Fact, size: float, *, most: int | None = None) -> None:
        """A label, and its value below."""
        self.text(fact.label, size * 0.8)
        value = size * 1.25 if fact.strong else size
        self.text(fact.value, value, weight=Weight.STRONG if fact.strong else Weight.REGULAR, most=most)
        self.gap(size * 0.35)

    def rule(self) -> None:
        """A thin line across."""
        self.marks.append(Box(x=self.x, y=_on_dots(self.y), width=self.width, height=2 * DOT))
        self.gap(2 * DOT)

    def band(self, text: str, size: float) -> None:
        """Light words on a dark ground, across."""
        top, self.y = self.y, self.y + size * 0.35
        first = len(self.marks)
        self.text(text, size, weight=Weight.STRONG, anchor=Anchor.MIDDLE, light=True)
        self.gap(size * 0.35)
        self.marks.insert(first, Box(x=self.x, y=top, width=self.width, height=self.y - top))

    def qr(self, content: str, largest: float, *, module: float | None = None) -> None:
        """A QR code in the middle, with its quiet zone."""
        pattern = qr(content)
        if module is None:
            module = int(largest / pattern.columns / DOT) * DOT
        width = pattern.columns * module
        self.gap(QUIET_ZONE * module)
        self._symbol(pattern, width, module, module)
        self.gap(pattern.rows * module + QUIET_ZONE * module)

    def bar_code(self, text: str, height: float, *, quiet: float) -> None:
        """The code as bars in the middle, where they fit with `quiet` mm free on either side in all; else nothing."""
        pattern = bars(text)
        if pattern is None:
            return
        for module in (3 * DOT, NARROWEST_BAR):
            width = pattern.columns * module
            if width <= self.width and width + 2 * BAR_QUIET_ZONE * module <= self.width + quiet:
                self._symbol(pattern, width, module, height)
                self.gap(height)
                return

    def gap(self, height: float) -> None:
        """Room."""
        self.y += height

    def _line(self, line: Text) -> None:
        base = self.y + line.size * (LEADING + CAP_HEIGHT) / 2
        self.marks.append(
            Text(
                x=line.x,
                y=base,
                size=line.size,
                text=line.text,
                weight=line.weight,
                anchor=line.anchor,
                light=line.light,
            )
        )
        self.gap(line.size * LEADING)

    def _symbol(self, pattern: Pattern, width: float, module: float, row: float) -> None:
        x = _on_dots(self.middle - width / 2)
        self.y = _on_dots(self.y)
        self.marks.append(Symbol(x=x, y=self.y, pattern=pattern, module=module, row=row))


def _on_dots(length: float) -> float:
    return round(length / DOT) * DOT


def roll(slip: Slip) -> Sheet:
    """The slip on paper 80 mm wide, as long as it needs to be."""
    column = _Column(ROLL_MARGIN, ROLL_MARGIN, ROLL_WIDTH - 2 * ROLL_MARGIN)
    if slip.specimen:
        column.band(slip.specimen, 3.6)
        column.gap(2)
    column.text(slip.office, 3.9, weight=Weight.STRONG, anchor=Anchor.MIDDLE, most=4)
    column.text(slip.phone, 3.3, anchor=Anchor.MIDDLE, most=2)
    column.gap(1.2)
    column.rule()
    column.gap(1.6)
    column.text(slip.title, 4.2, weight=Weight.STRONG, anchor=Anchor.MIDDLE)
    column.gap(1.6)
    column.text(slip.code_label, 2.9, anchor=Anchor.MIDDLE)
    column.fitted(slip.code_parts, 6.4, 4.4, anchor=Anchor.MIDDLE)
    column.gap(1)
    column.bar_code(slip.code, 9, quiet=2 * ROLL_MARGIN)
    column.gap(2.4)
    for fact in slip.facts:
        column.fact(fact, 3.5, most=5)
    column.qr(slip.address, LARGEST_QR)
    column.text(slip.scan, 3.5, weight=Weight.STRONG, anchor=Anchor.MIDDLE)
    column.gap(1.6)
    for way in slip.ways:
        column.text(way, 3.2, anchor=Anchor.MIDDLE)
    if slip.small_codes:
        column.gap(1)
        _small_codes(column, slip.small_codes)
    column.gap(1.4)
    column.rule()
    column.gap(1.2)
    for note in (slip.keep, slip.check):
        column.text(note, 2.7, anchor=Anchor.MIDDLE)
    if slip.specimen:
        column.gap(1.6)
        column.band(slip.specimen, 3.6)
    height = _on_dots(column.y + ROLL_MARGIN)
    return Sheet(width=ROLL_WIDTH, height=height, marks=tuple(column.marks), slip=slip)


def a5(slip: Slip) -> Sheet:
    """The slip on an A5 page. Of a procedure's name as much is printed as there is room for."""
    for lines in (8, 6, 4, 3, 2, 1):
        marks, bottom = _a5_marks(slip, lines)
        if bottom <= A5[1] - A5_MARGIN / 2:
            break
    return Sheet(width=A5[0], height=A5[1], marks=marks, slip=slip)


def _a5_marks(slip: Slip, lines: int) -> tuple[tuple[Mark, ...], float]:
    """The marks, no fact longer than `lines`, and how far down they reach."""
    inner = A5[0] - 2 * A5_MARGIN
    head = _Column(A5_MARGIN, A5_MARGIN, inner)
    if slip.specimen:
        head.band(slip.specimen, 5)
        head.gap(3)
    head.text(slip.office, 5, weight=Weight.STRONG, most=3)
    head.text(slip.phone, 4, most=2)
    head.gap(2.5)
    head.rule()
    head.gap(4)
    head.text(slip.title, 6.2, weight=Weight.STRONG, anchor=Anchor.MIDDLE)
    head.gap(4)
    head.text(slip.code_label, 3.6, anchor=Anchor.MIDDLE)
    head.fitted(slip.code_parts, 9, 5.5, anchor=Anchor.MIDDLE)
    head.gap(2)
    head.bar_code(slip.code, 12, quiet=2 * A5_MARGIN)
    head.gap(4)
    head.rule()
    head.gap(3.5)

    right = _Column(A5_MARGIN + inner - 50, head.y - 3, 50)
    right.qr(slip.address, LARGEST_QR)
    right.text(slip.scan, 3.6, weight=Weight.STRONG, anchor=Anchor.MIDDLE)
    left = _Column(A5_MARGIN, head.y, inner - 50 - 4)
    for fact in slip.facts:
        left.fact(fact, 4, most=lines)

    foot = _Column(A5_MARGIN, max(left.y, right.y) + 3, inner)
    foot.rule()
    foot.gap(3)
    beside = _Column(A5_MARGIN + inner - 25 * len(slip.small_codes), foot.y - 2, 25 * len(slip.small_codes))
    if slip.small_codes:
        _small_codes(beside, slip.small_codes)
        foot.width -= beside.width + 3
    for way in slip.ways:
        foot.text(way, 3.8)
    notes = _Column(A5_MARGIN, max(foot.y, beside.y) + 2.5, inner)
    for note in (slip.keep, slip.check):
        notes.text(note, 3.2)
    columns = (head, left, right, foot, beside, notes)
    return tuple(mark for column in columns for mark in column.marks), notes.y


def _small_codes(column: _Column, codes: Sequence[SmallCode]) -> None:
    """Smaller codes beside each other, each with what it is for."""
    each = min(column.width / len(codes), 36.0)
    cells = [_Column(column.middle + (n - len(codes) / 2) * each, column.y, each) for n in range(len(codes))]
    for cell, code in zip(cells, codes, strict=True):
        cell.qr(code.content, each, module=SMALL_MODULE)
    column.y = max(cell.y for cell in cells)
    for cell, code in zip(cells, codes, strict=True):
        cell.y = column.y
        cell.text(code.label, 3, anchor=Anchor.MIDDLE)
        column.marks += cell.marks
    column.y = cells[0].y
