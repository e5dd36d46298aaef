"""One flipped bit of a queue's file: whatever it changes of a covered row is said, and nothing ends in a traceback.

`scripts/simulate rot` flips 3,000, and with --long there are 120.
"""

import pytest

from tests.support.rot import campaign

FLIPS, FLIPS_OF_A_LONG_RUN, SEED = 60, 120, 14


def test_every_flipped_bit_that_changes_a_covered_row_is_named(pytestconfig: pytest.Config) -> None:
    flips = FLIPS_OF_A_LONG_RUN if pytestconfig.getoption("--long") else FLIPS
    found = campaign(flips, SEED)
    assert sum(found.values()) == flips
    assert found["changed a covered row"] >= flips // 20, found
    assert found["cannot be read"] > 0, found
