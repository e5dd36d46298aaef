"""One flipped bit of a queue's file: whatever it changes of a covered row is said, and nothing ends in a traceback.

`scripts/simulate rot` flips 3,000.
"""

from tests.support.rot import campaign

FLIPS, SEED = 120, 14


def test_every_flipped_bit_that_changes_a_covered_row_is_named() -> None:
    found = campaign(FLIPS, SEED)
    assert sum(found.values()) == FLIPS
    assert found["changed a covered row"] >= FLIPS // 20, found
    assert found["cannot be read"] > 0, found
