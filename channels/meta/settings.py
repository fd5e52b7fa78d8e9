"""What an agency sets for Meta: one app, a page on Messenger, a number on WhatsApp, either or both."""

from dataclasses import dataclass, field

from domain.errors import Malformed

PREFIX = "MOTMA_META_"
API_URL = "https://graph.facebook.com/v25.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaSettings:
    """MOTMA_META_….

    `app_secret` signs the webhook, which is closed without it; `verify_token` is made up by us and opens it once. Both
    may be `new,old`. Messenger is off until `page_token` is set, WhatsApp until `whatsapp_token` is. The templates are
    for people not heard of for a day (`channels.meta.templates`); `whatsapp_account_id` is the business account that
    owns WhatsApp's, and lets `motma doctor` check them. Rates are messages a second. `picture_origins` are
    where pictures from Messenger may be fetched, comma-separated.
    """

    app_secret: str | None = field(default=None, repr=False)
    verify_token: str | None = field(default=None, repr=False)
    api_url: str = API_URL
    page_token: str | None = field(default=None, repr=False)
    page_template: str = ""
    page_rate: float = 40.0
    whatsapp_token: str | None = field(default=None, repr=False)
    whatsapp_phone_id: str = ""
    whatsapp_account_id: str = ""
    whatsapp_template: str = ""
    whatsapp_rate: float = 60.0
    picture_origins: str = "https://*.fbcdn.net,https://*.fbsbx.com"
    concurrency: int = 16

    def require_complete(self) -> None:
        """Raises `Malformed` when something is set that cannot work without something that is not."""
        if not self.app_secret or not self.verify_token:
            raise Malformed("Meta needs MOTMA_META_APP_SECRET and MOTMA_META_VERIFY_TOKEN, or nobody is heard.")
        if not self.page_token and not self.whatsapp_token:
            raise Malformed("Meta needs MOTMA_META_PAGE_TOKEN for Messenger or MOTMA_META_WHATSAPP_TOKEN for WhatsApp.")
        if self.whatsapp_token and not (self.whatsapp_phone_id.isascii() and self.whatsapp_phone_id.isdigit()):
            raise Malformed("MOTMA_META_WHATSAPP_PHONE_ID is the number's id in WhatsApp Manager, digits only.")
