"""A slice of the fuzzing for every change (G39g): each parser under its seeds, mutilated and mixed with any bytes."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing.targets import TARGETS
from tests.fuzzing.trying import tried

EXAMPLES = 50


def inputs(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Any bytes, alone or in the midst of a seed, in place of a part of it."""

    def spliced(seed: bytes, at: float, cut: int, other: bytes) -> bytes:
        place = int(at * len(seed))
        return seed[:place] + other + seed[place + cut :]

    odd = st.one_of(st.binary(max_size=40), st.text(max_size=20).map(_encoded), st.sampled_from(seeds))
    places = st.floats(0, 1, allow_nan=False)
    return st.one_of(odd, st.builds(spliced, st.sampled_from(seeds), places, st.integers(0, 40), odd))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("name", TARGETS)
def test_its_seeds_are_read(name: str) -> None:
    seeds = list(TARGETS[name].seeds())
    assert seeds
    assert [tried(TARGETS[name], seed) for seed in seeds] == [None] * len(seeds)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_comes_it_is_read_or_refused(name: str, data: Any) -> None:  # noqa: ANN401 - Hypothesis's own
    octets = data.draw(inputs(list(TARGETS[name].seeds())))
    finding = tried(TARGETS[name], octets[: TARGETS[name].largest])
    assert finding is None, finding.told
