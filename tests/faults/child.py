"""A process of ours as the rig starts it: the command line, under its proof's conditions, perhaps without a guard."""

import os
from signal import SIGKILL

from service.__main__ import main
from service.embedded.tether import die_with
from tests.faults import conditions
from tests.faults.mutants import MUTANTS

if __name__ == "__main__":
    die_with(int(os.environ["MOTMA_TEST_OWNER"]), SIGKILL)
    conditions.given()
    MUTANTS[os.environ["MOTMA_TEST_MUTANT"]]()
    main()
