"""Errors that cross layers; each edge turns `code` into its own words and status."""

from datetime import timedelta
from typing import ClassVar


class ServiceError(Exception):
    """Anything a caller can be told: a stable `code`, a human sentence, the field it concerns."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class Malformed(ServiceError):
    """The input cannot be read. Sending it again unchanged will fail again."""

    code = "malformed"


class MalformedCode(Malformed):
    """The text cannot be a dossier code."""

    code = "malformed_code"


class Invalid(ServiceError):
    """The input reads well but breaks a rule; `field` says where."""

    code = "invalid"


class NotFound(ServiceError):
    """Unknown, foreign or not proven: the three must look the same."""

    code = "not_found"


class NotYours(ServiceError):
    """The caller is known, but the dossier or agency lies outside its scope."""

    code = "not_yours"


class Unauthenticated(ServiceError):
    """No valid key, session or signature."""

    code = "unauthenticated"


class Forbidden(ServiceError):
    """The key is valid but lacks the scope for this."""

    code = "forbidden"


class Conflict(ServiceError):
    """The same identity was used for different content."""

    code = "idempotency_conflict"


class ChangedMeanwhile(ServiceError):
    """Somebody else changed it since the caller read it. Nothing of what was sent is lost: read again, then send."""

    code = "changed_meanwhile"


class TooLarge(ServiceError):
    """Over a documented limit."""

    code = "too_large"


class TooMany(ServiceError):
    """A limit was reached; `after` says when to come back."""

    code = "too_many_requests"

    def __init__(self, message: str, *, after: timedelta, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.after = after


class Unavailable(ServiceError):
    """A dependency is away or the service is full; nothing was done, `after` says when to try again."""

    code = "unavailable"

    def __init__(self, message: str, *, after: timedelta = timedelta(seconds=2), field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.after = after


class Undeliverable(ServiceError):
    """A message can never arrive at this address: wrong number, blocked bot, refused content."""

    code = "undeliverable"


class Gone(Undeliverable):
    """The person has left the channel or blocked us: nothing more will arrive at this address before they return."""

    code = "gone"


class TryLater(ServiceError):
    """A provider did not take the message now; `after` is its own wish, if it named one."""

    code = "try_later"

    def __init__(self, message: str, *, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = after


class NotItsTurn(TryLater):
    """A pace of our own keeps the message back for `after`; nobody was called, and nothing failed."""

    code = "not_its_turn"

    def __init__(self, message: str, *, after: timedelta) -> None:
        super().__init__(message, after=after)


class InDoubt(ServiceError):
    """A provider may or may not have taken the message: the answer never came.

    `route` is set where a sender chooses between routes: the one by which it went. `dong` is what it costs if it was
    taken, where the sender knows.
    """

    code = "in_doubt"
    route: str | None = None
    dong: int | None = None


class CannotTell(ServiceError):
    """Nobody can say whether the message was taken: that route does not know its messages."""

    code = "cannot_tell"
