"""Callbacks: agencies' own systems are called when a dossier of theirs changes."""
