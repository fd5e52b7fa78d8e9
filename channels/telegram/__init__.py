"""Telegram: its updates read, its Bot API called."""
