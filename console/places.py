"""The one table of the console's pages, in the order of the menu. A new one is a file with its `PAGE`, and a line."""

from console.page import Page
from console.pages import own_account, start

PLACES: tuple[Page, ...] = (
    start.PAGE,
    own_account.PAGE,
)
