"""When a message is tried again, and when it is given up.

The policy, whole (guarantees 4a):

- Not taken (`TryLater`, no connection): again at once, then after 30 s, 2, 10, 30 min, 1, 3, 6, 12 h, each within 20
  % either way, the last step repeated. A wait the provider names is kept instead; past the end of the ladder it is
  only ever lengthened. A try that would come after the message's expiry is not made: the message is expired.
- Refused for good (`Undeliverable`): failed at once.
- In doubt (the request left, no answer came). A delivery report settles it at any time. Without one it waits:
  `REPLY_DOUBT` for a reply or a code, which somebody is waiting for; `NOTICE_DOUBT` for a notice, because being told
  twice annoys and being told ten minutes later harms nobody. Then
  - a provider that knows its messages is asked (`notifications.sender.Asked`: Twilio, Infobip; Vonage where its paid
    reports are set up). What it took is handed over; what it did not take is sent again, up to `MOST_DOUBTS_ASKED`
    times in doubt; while it does not answer the question nothing is sent;
  - eSMS refuses a second message under our id as one it has: sending again is the question;
  - the others (Kannel, SpeedSMS, the short code; Telegram, Zalo, Meta; mail) cannot be asked about a message whose
    name they never told. It is sent again once, of every class: told twice is better than not told. A second doubt
    ends as "no receipt", which a late report may still raise.
- Faults (an unknown error, a lease whose holder vanished): the same ladder, dead after `MOST_FAULTS`, kept for an
  operator. A provider that can be asked is asked here too, before the message is sent again.
"""

import random
from collections.abc import Callable
from datetime import timedelta

from domain.message import MessageKind

LADDER = (
    timedelta(0),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
)
SPREAD = 0.2
MOST_FAULTS = 5
MOST_DOUBTS = 2
MOST_DOUBTS_ASKED = 6
REPLY_DOUBT = timedelta(seconds=60)
NOTICE_DOUBT = timedelta(minutes=10)

_AWAITED = frozenset({MessageKind.REPLY, MessageKind.CODE})

Chance = Callable[[], float]  # a number in [0, 1)


def wait_before_retry(attempt: int, after: timedelta | None = None, *, chance: Chance = random.random) -> timedelta:
    """How long to wait after the failed `attempt` (1 is the first); `after` is the provider's own wish."""
    step = LADDER[min(attempt, len(LADDER)) - 1] * (1 - SPREAD + 2 * SPREAD * chance())
    if after is None:
        return step
    wished = after + timedelta(seconds=chance())
    return wished if attempt <= len(LADDER) else max(wished, step)


def wait_in_doubt(kind: str) -> timedelta:
    """How long a message in doubt waits for its delivery report before it is sent again."""
    return REPLY_DOUBT if kind in _AWAITED else NOTICE_DOUBT
