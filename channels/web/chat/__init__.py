"""A small web chat on the same conversation as every other channel."""
