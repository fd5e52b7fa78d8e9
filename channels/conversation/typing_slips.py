"""How keywords come out of phones: Telex letters left undone by a keyboard that was off, and single slips."""

import unicodedata

_TELEX_TONES = {"\u0300": "f", "\u0301": "s", "\u0309": "r", "\u0303": "x", "\u0323": "j"}
_TELEX_SHAPES = {"\u0306": "w", "\u031b": "w"}  # breve and horn; a circumflex doubles its letter
_CIRCUMFLEX = "\u0302"


def telex(words: str) -> str:
    """`words` as the Telex keys that type them, without spaces: 'đánh giá' gives 'ddanhsgias'."""
    return "".join(_telex_syllable(word) for word in words.split())


def _telex_syllable(word: str) -> str:
    keys, tone = "", ""
    for character in unicodedata.normalize("NFD", word.lower().replace("đ", "dd")):
        if character in _TELEX_TONES:
            tone = _TELEX_TONES[character]
        elif character == _CIRCUMFLEX:
            keys += keys[-1]
        else:
            keys += _TELEX_SHAPES.get(character, character)
    return keys + tone


def one_slip_apart(typed: str, meant: str) -> bool:
    """Whether one letter is missing, added or wrong, or two neighbours are turned round. False for equal texts."""
    longer, shorter = (typed, meant) if len(typed) >= len(meant) else (meant, typed)
    if longer == shorter or len(longer) - len(shorter) > 1:
        return False
    first = next((n for n, (a, b) in enumerate(zip(longer, shorter, strict=False)) if a != b), len(shorter))
    if len(longer) > len(shorter):
        return longer[first + 1 :] == shorter[first:]
    if longer[first + 1 :] == shorter[first + 1 :]:
        return True
    turned = longer[first : first + 2] == shorter[first : first + 2][::-1]
    return turned and longer[first + 2 :] == shorter[first + 2 :]
