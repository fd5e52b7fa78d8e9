"""A process of ours as the rig starts it: the command line, after a mutant, if one is named, took a guard away."""

import os
from signal import SIGKILL

from service.__main__ import main
from service.embedded.tether import die_with
from tests.faults.mutants import MUTANTS

if __name__ == "__main__":
    die_with(int(os.environ["MOTMA_TEST_OWNER"]), SIGKILL)
    MUTANTS[os.environ["MOTMA_TEST_MUTANT"]]()
    main()
