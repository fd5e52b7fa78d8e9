"""A process of ours as the rig starts it: the command line, after a mutant, if one is named, took a guard away."""

import os

from service.__main__ import main
from tests.faults.mutants import MUTANTS

if __name__ == "__main__":
    MUTANTS[os.environ["MOTMA_TEST_MUTANT"]]()
    main()
