"""The colours: text is legible on every ground it stands on, by day and by night (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from importlib.resources import files

import pytest

STYLE = files("pages").joinpath("static", "motma.css").read_text()
STATES = ("on-time", "waiting", "late", "closed")
TEXT = [
    ("ink", "paper"),
    ("ink", "raised"),
    ("quiet", "paper"),
    ("quiet", "raised"),
    ("accent", "paper"),
    ("accent", "raised"),
    ("accent-deep", "paper"),
    ("on-accent", "accent"),
    ("on-accent", "accent-deep"),
    ("late", "paper"),
    *((ink, f"{state}-ground") for state in STATES for ink in (state, "ink", "quiet", "accent")),
]
SHAPES = [("edge", "paper"), ("edge", "raised"), ("focus", "paper"), *((state, "paper") for state in STATES)]


def tokens(scheme: str) -> dict[str, str]:
    """The colours of one scheme; the dark one inherits what it does not change."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[:2]
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", block)) for block in blocks)
    return light if scheme == "light" else light | dark


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = (int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (SHAPES, 3.0)])
def test_everything_stands_out_from_its_ground(scheme: str, pairs: list[tuple[str, str]], least: float) -> None:
    colour = tokens(scheme)
    found = {pair: contrast(colour[pair[0]], colour[pair[1]]) for pair in pairs}
    assert {pair: round(ratio, 2) for pair, ratio in found.items() if ratio < least} == {}
