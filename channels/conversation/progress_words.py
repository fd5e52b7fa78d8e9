"""Words by which people ask how their papers stand without naming a code: 'hồ sơ của tôi đến đâu rồi?'."""

import re

from domain.vietnamese import folded

# Folded, as whole words. What may as well open a complaint ('sao lâu thế', 'bao giờ mới thôi') is none of them.
_WHEN = r"(?:khi nao|bao gio|ngay nao|hom nao)(?: \w+){0,3} (?:xong|co|duoc|lay|tra|nhan)"
_ASKING = (
    r"(?:den|toi) dau roi",
    r"(?:den|toi) dau$",
    r"(?:the nao|ra sao) roi",
    r"(?:xong|duoc|co|co ket qua|tra) chua",
    rf"(?<!tu ){_WHEN}",
    r"tinh (?:hinh|trang) ho so",
    r"how far",
    r"(?:what|the) status",
    r"is it (?:ready|done)",
    r"any news",
    r"when (?:will|can i)",
)
_PATTERN = re.compile(rf"\b(?:{'|'.join(_ASKING)})\b")
_MARKS = re.compile(r"[^\w\s]+")
_MOST_WORDS = 10  # whoever writes more has something to tell


def asks_progress(text: str) -> bool:
    """Whether `text`, which holds no code, only asks how it stands. Long texts never do: they tell something."""
    words = folded(_MARKS.sub(" ", text)).split()
    return len(words) <= _MOST_WORDS and bool(_PATTERN.search(" ".join(words)))
