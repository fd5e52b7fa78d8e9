"""Dossier codes as hypothesis makes them up: all the grammar allows, and those of the usual layouts."""

from dataclasses import dataclass
from datetime import date

from hypothesis import strategies as st

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SURE_LETTERS = "ACDEFHJKMNPQRTUVWXY"  # taken for no digit


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualCode:
    """A code of a layout met in practice, in its parts."""

    groups: tuple[str, ...]
    date: str
    ordinal: str

    @property
    def text(self) -> str:
        return f"{'.'.join(self.groups)}-{self.date}-{self.ordinal}"


_level_1 = st.builds("{}{}".format, st.sampled_from(SURE_LETTERS), st.text(DIGITS, min_size=2, max_size=2))
_pair = st.text(DIGITS, min_size=2, max_size=2)
_agencies = st.one_of(
    st.builds(lambda level_1, below: (level_1, *below), _level_1, st.lists(_pair, min_size=1, max_size=3)),
    st.builds(lambda pairs, level_1: (*pairs, level_1), st.lists(_pair, min_size=2, max_size=2), _level_1),
    st.builds(lambda pairs, level_1: ("000", *pairs, level_1), st.lists(_pair, min_size=2, max_size=2), _level_1),
)
_days = st.dates(min_value=date(2018, 1, 1), max_value=date(2039, 12, 31))
_ordinals = st.text(DIGITS, min_size=4, max_size=4)

usual_codes: st.SearchStrategy[UsualCode] = st.one_of(
    st.builds(
        lambda groups, day, ordinal: UsualCode(groups=groups, date=f"{day:%y%m%d}", ordinal=ordinal),
        _agencies,
        _days,
        _ordinals,
    ),
    st.builds(
        lambda groups, day, ordinal: UsualCode(groups=groups, date=f"{day:%Y%m%d}", ordinal=ordinal),
        _agencies,
        _days,
        st.text(DIGITS, min_size=7, max_size=7),
    ),
)

_group = st.text(DIGITS + LETTERS, min_size=1, max_size=3)
_any_level_1 = st.builds("{}{}".format, st.sampled_from(LETTERS), st.text(DIGITS, min_size=2, max_size=2))
_any_date = st.one_of(st.text(DIGITS, min_size=6, max_size=6), st.text(DIGITS, min_size=8, max_size=8))
any_agency_style_codes: st.SearchStrategy[str] = st.one_of(
    st.builds(
        lambda level_1, below, day, ordinal: f"{'.'.join((level_1, *below))}-{day}-{ordinal}",
        _any_level_1,
        st.lists(_group, max_size=8),
        _any_date,
        st.text(DIGITS + LETTERS, min_size=1, max_size=10),
    ),
    st.builds(
        lambda above, level_1, day, ordinal: f"{'.'.join((*above, level_1))}-{day}-{ordinal}",
        st.lists(_group, min_size=1, max_size=8),
        _any_level_1,
        _any_date,
        st.text(DIGITS + LETTERS, min_size=1, max_size=10),
    ),
)

# Characters that codes, labels and their slips are made of: far likelier to hit a pattern than any text.
code_like_texts: st.SearchStrategy[str] = st.lists(
    st.sampled_from([
        *"0123456789", *"OILSBZGHAD|", ".", "-", " ", ",", "/", "_", "–", "\u00a0", "\n", "\u200b", "\u0301", "Đ", "é",
        "H05", "000", "00", "H62", "261102", "20261102", "0001", "-0001", "H05.16-261102-0001", "HS", "mã hồ sơ: ",
        "079123456789", "0901234567", "1.005129", "https://", "/r/", "?code=", "/tra-cuu?code=", "%20", "tôi",
    ]),
    max_size=30,
).map("".join)  # fmt: skip
