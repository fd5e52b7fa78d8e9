"""How fast this machine runs what the goals were set by, so that a goal in seconds means the same on every machine."""

from bench.lookup import bare_aiohttp
from bench.measuring import Setting, median
from bench.report import say
from bench.wrk import load

# The goals in seconds and milliseconds come from prototypes on a machine where a bare aiohttp handler answered so many
# requests per CPU-second (docs/performance.md, "Goals in time"). It is the yardstick because nearly all of a change's
# way is the same kind of work: Python, the event loop, short writes to sockets.
OF_THE_GOALS = 41_833
ROUNDS = 5


async def bare_speed(setting: Setting) -> float:
    """Requests per CPU-second of a bare handler here and now."""
    say("pace: a bare aiohttp handler")
    async with bare_aiohttp(setting) as bare:
        await load(bare, ["/"], connections=32, seconds=2)
        rounds = [await load(bare, ["/"], connections=32, seconds=setting.seconds) for _ in range(ROUNDS)]
    return median(each.per_cpu_second for each in rounds)


def slower(speed: float) -> float:
    """How many times slower than the machine of the goals; never less than once, for a goal is not made harder."""
    return max(1.0, OF_THE_GOALS / speed)


def described(speed: float) -> str:
    """For the description of the machine."""
    return (
        f"a bare aiohttp handler answers {speed:,.0f} requests a CPU-second, {OF_THE_GOALS:,} where the goals were "
        f"set: goals in time are × {slower(speed):.1f}"
    )
