"""What the dispatcher asks of a channel: hand one message to a provider, or say why not."""

from datetime import datetime
from typing import Protocol, runtime_checkable

from domain.message import HandedOver, Outgoing


class Sender(Protocol):
    """One route to people: a provider's account in one channel. The outermost ring fulfils it."""

    @property
    def name(self) -> str:
        """The route's name, as it stands in `message.route` and in delivery reports."""

    @property
    def concurrency(self) -> int:
        """How many messages may be on their way to the provider at once; also the most that a crash can send twice."""

    @property
    def rate(self) -> float | None:
        """How many messages a second the provider takes, if it says so."""

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand `message` over once, naming `message_id` as our reference where the provider has a place for it.

        Raises `Undeliverable` (never again), `TryLater`, or `InDoubt` when the request left and no answer came. A plain
        `OSError` or `TimeoutError` says that the request never left. Anything else counts as a fault of ours.
        """


@runtime_checkable
class Asked(Sender, Protocol):
    """A sender that can be asked what became of a message in doubt: it is, before anything is sent again."""

    async def ask(self, message: Outgoing, *, route: str | None, since: datetime) -> HandedOver | None:
        """How `route` took `message` at or after `since`; None when it certainly did not.

        Raises `CannotTell` where nobody knows (then the policy of `notifications.retries` decides), and as `send` does
        when the question has no answer now.
        """


@runtime_checkable
class OwnTurns(Sender, Protocol):
    """A sender that waits itself for its route's turns among all processes, before each call it makes."""

    own_turns: bool
