"""Tests of the wiring and the command line."""
