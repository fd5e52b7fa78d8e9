"""Words of complaints and denunciations in the sense of the law, which are no feedback (NĐ 20/2008 Đ1)."""

import re

from domain.vietnamese import folded
from feedback_intake.filing import Formal

# Folded, as whole words. 'Khiếu nại' asks that a decision be undone (Luật Khiếu nại 2011); 'tố cáo' reports an offence
# (Luật Tố cáo 2018).
_DENUNCIATION = ("to cao", "to giac", "hoi lo", "tham nhung", "bribe", "bribery", "corruption")
_COMPLAINT = ("khieu nai", "khoi kien", "kien ra toa", "formal complaint", "appeal")

_PATTERNS = tuple(
    (formal, re.compile(rf"\b(?:{'|'.join(words)})\b"))
    for formal, words in ((Formal.DENUNCIATION, _DENUNCIATION), (Formal.COMPLAINT, _COMPLAINT))
)


def formal_in(text: str) -> Formal | None:
    """What `text` sounds like, a denunciation before a complaint; None for feedback."""
    plain = folded(text)
    return next((formal for formal, words in _PATTERNS if words.search(plain)), None)
