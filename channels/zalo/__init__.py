"""Zalo: the chat most people in Vietnam use. An Official Account, its templates by phone (ZNS), and the small bot."""
