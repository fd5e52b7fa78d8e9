"""The guarantees under fault and load, against real processes, each with the mutant that breaks it."""
