"""Feedback and proposals from filed to closed."""
