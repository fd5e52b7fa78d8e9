"""Be Vietnam Pro on paper: how wide words are, where lines break, and the outlines of letters."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.ttLib import TTFont

from domain.vietnamese import nfc, unaccented

CAP_HEIGHT = 0.74  # of the size
_BREAKS = re.compile("[ \t\r\n]+")  # not at a space that keeps together what it stands in
_UNKNOWN = "?"
_LOOKALIKES = str.maketrans({"‐": "-", "‑": "-", "‒": "–", "―": "—", "′": "'", "″": '"', "\u00a0": " ", "\u202f": " "})


class Weight(StrEnum):
    """The two weights of the house."""

    REGULAR = "400"
    STRONG = "600"


@dataclass(frozen=True, slots=True)
class Glyph:
    """One letter: how far it advances, and its outline as SVG path data, both in thousandths of the size, y upwards."""

    advance: float
    outline: str


@dataclass(frozen=True, slots=True)
class Typeface:
    """One weight. Measures without kerning, as every painter of ours sets it."""

    file: Traversable
    _font: TTFont = field(repr=False)
    _characters: dict[int, str] = field(repr=False)
    _glyphs: dict[str, Glyph] = field(default_factory=dict, repr=False)

    def printable(self, text: str) -> str:
        """`text` in letters this typeface has: others lose their accents, or become a question mark."""
        return "".join(map(self._known, nfc(text).translate(_LOOKALIKES)))

    def width(self, text: str, size: float) -> float:
        """How wide printable `text` is, in the unit of `size`."""
        return sum(self.glyph(character).advance for character in text) * size / 1000

    def glyph(self, character: str) -> Glyph:
        """The letter. `character` is printable."""
        found = self._glyphs.get(character)
        if found is None:
            shapes = self._font.getGlyphSet()
            shape = shapes[self._characters[ord(character)]]
            pen = SVGPathPen(shapes)
            shape.draw(pen)
            found = self._glyphs[character] = Glyph(shape.width, pen.getCommands())
        return found

    def lines(self, text: str, size: float, width: float, most: int | None = None) -> list[str]:
        """`text` broken into printable lines of at most `width`; what `most` lines cannot hold ends in '…'.

        A word wider than a line is broken where it must be.
        """
        lines = [""]
        for word in map(self.printable, _BREAKS.split(text.strip())):
            joined = f"{lines[-1]} {word}".lstrip()
            if self.width(joined, size) <= width:
                lines[-1] = joined
                continue
            while self.width(word, size) > width:
                fitting = next(n for n in range(len(word) - 1, 0, -1) if self.width(word[:n], size) <= width or n == 1)
                lines.append(word[:fitting])
                word = word[fitting:]
            lines.append(word)
        lines = [line for line in lines if line]
        if most is not None and len(lines) > most:
            last = lines[most - 1]
            while self.width(f"{last}…", size) > width:
                last = last[:-1]
            lines = [*lines[: most - 1], f"{last.rstrip()}…"]
        return lines

    def even_lines(self, text: str, size: float, width: float, most: int | None = None) -> list[str]:
        """The same with lines about equally long: no lonely last word."""
        lines = self.lines(text, size, width, most)
        longest_word = max((self.width(self.printable(word), size) for word in _BREAKS.split(text)), default=0)
        narrowest, widest = max(width / max(len(lines), 1), longest_word), width
        while len(lines) > 1 and widest - narrowest > size:
            middle = (narrowest + widest) / 2
            tried = self.lines(text, size, middle, most)
            if len(tried) == len(lines) and not tried[-1].endswith("…"):
                lines, widest = tried, middle
            else:
                narrowest = middle
        return lines

    def _known(self, character: str) -> str:
        if ord(character) in self._characters:
            return character
        if character.isspace():
            return " "
        bare = unaccented(character)
        return bare if len(bare) == 1 and ord(bare) in self._characters else _UNKNOWN


@cache
def typeface(weight: Weight) -> Typeface:
    """The typeface of a weight, read once."""
    file = files("channels.receipts").joinpath("fonts", f"be-vietnam-pro-{weight}.ttf")
    with file.open("rb") as opened:
        font = TTFont(opened, lazy=False)
    return Typeface(file, font, font.getBestCmap())
