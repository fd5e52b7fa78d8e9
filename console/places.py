"""The one table of the console's pages, in the order of the menu. A new one is a file with its `PAGE`, and a line."""

from console.page import Page
from console.pages import (
    accounts,
    apologies,
    calendar,
    dossiers,
    entry,
    keys,
    notices,
    operation,
    own_account,
    record,
    reference,
    sender_words,
    start,
    wordings,
)

PLACES: tuple[Page, ...] = (
    start.PAGE,
    dossiers.PAGE,
    entry.PAGE,
    apologies.PAGE,
    reference.OFFICES,
    reference.PROCEDURES,
    calendar.PAGE,
    notices.PAGE,
    wordings.PAGE,
    operation.PAGE,
    operation.DEAD_LETTERS,
    sender_words.PAGE,
    accounts.PAGE,
    keys.PAGE,
    record.PAGE,
    own_account.PAGE,
)
