"""Tests of the cache, on a real Valkey."""
