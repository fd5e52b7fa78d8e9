"""Whether letters are sent, and so whether the e-mail addresses of dossiers are told of changes."""

import os

from channels.email.channel import OPENING, EmailSettings
from lookup.sealing import Seal
from notifications.registered_emails import RegisteredEmails
from service.settings import read


def registered_emails(seal: Seal) -> RegisteredEmails | None:
    """Who keeps the addresses stated with dossiers; None where no letter could be sent."""
    settings: EmailSettings = read(EmailSettings, os.environ, prefix=OPENING.prefix)
    return RegisteredEmails(seal) if settings.smtp_url else None
