"""Whether what was typed is a person's name; what else people write after our question must not be taken for one."""

import re

from domain.vietnamese import folded

# Family names that begin no other words, without accents as well as with them.
_PLAIN = "nguyen tran pham hoang huynh bui ngo doan vuong trinh luong phung quach nghiem thach trieu giang nong ksor"
# Those that do ("ho so", "ly do", "dang cho"): names only with their accents, or before a middle name.
_ACCENTED = "lê phan vũ võ đặng đỗ dương đào đinh trương lâm mai tô tạ hà cao thái châu tống đàm la vi lò lường"
_AMBIGUOUS = f"{_ACCENTED} hồ lý chu hứa tăng từ ma lại đồng kim sơn danh điểu vàng mùa lầu"
PLAIN, ACCENTED = frozenset(_PLAIN.split()), frozenset(_ACCENTED.split())
AMBIGUOUS = frozenset(folded(name) for name in _AMBIGUOUS.split())
MIDDLE_NAMES = frozenset({"van", "thi"})

_SHAPE = re.compile(r"(?=.{2,60}$)[^\W\d_]+(?:[ '\-.]+[^\W\d_]+){1,6}")
_OPENING = re.compile(r"(?:ho va ten|ho ten|toi ten la|toi ten|ten toi la|ten la|ten|toi la|my name is|i am)\b[ :,]*")
_MOST_IN_SMALL_LETTERS = 5  # words; longer ones that begin like a name are sentences


def name_in(text: str) -> str | None:
    """The name, if that is all `text` holds but words such as 'tôi tên là'; else None.

    Two words or more, each with a capital, or the first of few a family name.
    """
    words = " ".join(text.split()).rstrip(".,;!")
    if opening := _OPENING.match(folded(words)):
        words = words[opening.end() :]
    if not _SHAPE.fullmatch(words):
        return None
    parts = re.split(r"[ '\-.]+", words)
    capitals = not words.isupper() and all(part[0].isupper() for part in parts)
    return words if capitals or (len(parts) <= _MOST_IN_SMALL_LETTERS and _begins_with_family(parts)) else None


def _begins_with_family(parts: list[str]) -> bool:
    family, middle = folded(parts[0]), folded(parts[1])
    return (
        family in PLAIN
        or (parts[0].lower() in ACCENTED and parts[0].lower() != family)
        or (family in AMBIGUOUS and middle in MIDDLE_NAMES and len(parts) > 2)
    )
