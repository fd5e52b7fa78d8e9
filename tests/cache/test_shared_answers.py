"""What stands in Redis, and what may replace it."""

import time

from cache.redis_connection import RedisConnection
from cache.shared_answers import EPOCH_KEY, FRESH, Fill, SharedAnswers, freshness_ends, read_record
from domain.dossier import PublicDossier
from tests.cache.store_double import CODE, dossier

KEY = b"d:00112233445566778899aabbccddeeff"
EPOCH = b"epoch"


def fill(version: int | None, *, until: float | None = None, key: bytes = KEY) -> Fill:
    found = None if version is None else dossier(CODE, version)
    return Fill(key=key, found=found, epoch=EPOCH, until=until or time.time() + 20)


async def standing(redis: RedisConnection) -> PublicDossier | str | None:
    """What an answer under KEY would be: a dossier, None for "there is none", or a word for no answer."""
    (raw,) = await redis.get_many([KEY])
    record = read_record(raw)
    if record is None:
        return "floor" if raw else "nothing"
    return record.dossier(CODE)


async def test_an_answer_comes_back_as_it_was_written(redis: RedisConnection) -> None:
    shared = SharedAnswers(redis)
    written = fill(3)
    assert await shared.fill([written]) == [True]
    await shared.raise_epoch()
    epoch, (record, nothing) = await shared.read([KEY, b"d:other"])
    assert epoch is not None
    assert nothing is None
    assert record is not None
    assert record.dossier(CODE) == written.found
    assert record.epoch == EPOCH
    assert abs(record.until - written.until) < 0.01


async def test_redis_never_sees_a_code(redis: RedisConnection) -> None:
    await SharedAnswers(redis).fill([fill(3)])
    (raw,) = await redis.get_many([KEY])
    assert raw is not None
    for part in (CODE, "H05.16", "261102"):
        assert part.encode() not in raw


async def test_a_late_answer_never_replaces_a_newer_one(redis: RedisConnection) -> None:
    """Mutant: PUT without its comparison of versions."""
    shared = SharedAnswers(redis)
    assert await shared.fill([fill(5)]) == [True]
    assert await shared.fill([fill(4)]) == [False]
    assert await shared.fill([fill(None)]) == [False]
    found = await standing(redis)
    assert isinstance(found, PublicDossier)
    assert found.version == 5
    assert await shared.fill([fill(5)]) == [True]
    assert await shared.fill([fill(6)]) == [True]


async def test_a_floor_keeps_older_answers_out_and_gives_way_to_the_answer_it_waits_for(redis: RedisConnection) -> None:
    shared = SharedAnswers(redis)
    await shared.fill([fill(4)])
    await shared.write_floors({KEY: 5})
    assert await standing(redis) == "floor"
    assert await shared.fill([fill(4)]) == [False]
    assert await shared.fill([fill(None)]) == [False]
    assert await standing(redis) == "floor"
    assert await shared.fill([fill(5)]) == [True]


async def test_floors_only_rise_and_spare_the_answer_that_reached_them(redis: RedisConnection) -> None:
    shared = SharedAnswers(redis)
    await shared.write_floors({KEY: 7})
    await shared.write_floors({KEY: 6})
    assert await shared.fill([fill(6)]) == [False]
    assert await shared.fill([fill(7)]) == [True]
    await shared.write_floors({KEY: 7})
    assert isinstance(await standing(redis), PublicDossier)
    await shared.write_floors({KEY: 8})
    assert await standing(redis) == "floor"


async def test_a_floor_told_again_lasts_anew(redis: RedisConnection) -> None:
    """A change rolled back and tried again expects the same version twice."""
    shared = SharedAnswers(redis)
    await shared.write_floors({KEY: 2})
    await redis._client.pexpire(KEY, 500)
    await shared.write_floors({KEY: 2})
    assert await redis._client.pttl(KEY) > 20_000


async def test_a_stale_answer_gives_way_to_any(redis: RedisConnection) -> None:
    """After the store was restored from a backup its versions are lower; that must not last a day."""
    shared = SharedAnswers(redis)
    await shared.fill([fill(9, until=time.time() - 1)])
    assert await shared.fill([fill(3)]) == [True]


async def test_that_there_is_none_is_kept_shortly_and_a_dossier_long(redis: RedisConnection) -> None:
    shared = SharedAnswers(redis)
    await shared.fill([fill(None)])
    assert await standing(redis) is None
    assert 0 < await redis._client.pttl(KEY) <= 2_000
    await shared.fill([fill(1)])
    assert await redis._client.pttl(KEY) > 23 * 3600 * 1000


async def test_what_is_not_ours_is_no_answer_and_is_replaced(redis: RedisConnection) -> None:
    for garbage in (b"", b"hello", b"3|x|y|z", b"||||", b"\xff\xfe"):
        await redis.put(KEY, garbage)
        assert read_record(garbage) is None
        assert await SharedAnswers(redis).fill([fill(1)]) == [True]


async def test_every_epoch_is_new(redis: RedisConnection) -> None:
    shared = SharedAnswers(redis)
    assert (await shared.read([]))[0] is None
    seen = set()
    for _ in range(3):
        await shared.raise_epoch()
        (epoch,) = await redis.get_many([EPOCH_KEY])
        seen.add(epoch)
    assert len(seen) == 3


def test_an_answer_is_fresh_for_24_to_30_seconds_and_an_absence_for_two() -> None:
    ends = [freshness_ends(b"d:%032x" % number, dossier(CODE, 1), 1000.0) - 1000.0 for number in range(256)]
    assert min(ends) == 0.8 * FRESH
    assert max(ends) == FRESH
    assert len(set(ends)) > 200
    assert freshness_ends(KEY, None, 1000.0) == 1002.0
