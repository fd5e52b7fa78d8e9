"""Meta: Messenger and WhatsApp on one webhook, sent by one Graph API."""
