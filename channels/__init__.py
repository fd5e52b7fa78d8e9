"""How people and systems reach us: text messages, pages, agencies' systems."""
