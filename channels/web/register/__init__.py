"""The public register as everybody reads it: pages, data, feeds, and what verifies it."""
