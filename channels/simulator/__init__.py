"""A phone on a page, for development: text the service, see what the phone would show. Never opened in production."""
