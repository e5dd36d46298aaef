"""Order and flips are fixed for ever: a job may be resumed weeks later under other versions of everything."""

import numpy as np

from qcqueue.engines.batches import epoch_order, flips, splitmix64

IDS = np.arange(10, dtype=np.int64)
MANY = np.arange(2200, dtype=np.int64)


def test_splitmix64_is_the_published_one() -> None:
    values = splitmix64(np.array([0, 0x9E3779B97F4A7C15, 2**64 - 1], np.uint64))
    assert [hex(value) for value in values.tolist()] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0xe4d971771b652c20",
    ]


def test_golden_orders() -> None:
    assert epoch_order(1, 1, IDS).tolist() == [7, 6, 0, 4, 2, 5, 9, 1, 8, 3]
    assert epoch_order(1, 2, IDS).tolist() == [0, 5, 3, 8, 9, 6, 2, 1, 4, 7]
    assert epoch_order(2, 1, IDS).tolist() == [7, 0, 1, 9, 2, 5, 8, 6, 4, 3]


def test_golden_flips() -> None:
    golden = {
        1: ([1, 0, 1, 1, 1, 0, 0, 0, 1, 0], [1, 1, 1, 0, 1, 0, 0, 0, 0, 1]),
        2: ([0, 1, 1, 1, 1, 1, 0, 1, 1, 0], [1, 0, 0, 0, 0, 1, 0, 1, 0, 1]),
    }
    for epoch, (sideways, upside_down) in golden.items():
        found = flips(1, epoch, IDS)
        assert (found[0].astype(int).tolist(), found[1].astype(int).tolist()) == (sideways, upside_down)


def test_every_epoch_sees_every_sample_once_in_a_new_order() -> None:
    orders = [epoch_order(7, epoch, MANY).tolist() for epoch in range(1, 6)]
    assert all(sorted(order) == MANY.tolist() for order in orders)
    assert len({tuple(order) for order in orders}) == 5


def test_a_samples_flips_do_not_depend_on_its_batch() -> None:
    together = flips(7, 3, MANY)
    apart = [flips(7, 3, MANY[index : index + 1]) for index in range(0, 100)]
    assert [bool(pair[0][0]) for pair in apart] == together[0][:100].tolist()
    assert [bool(pair[1][0]) for pair in apart] == together[1][:100].tolist()


def test_flips_are_fair_and_independent() -> None:
    sideways, upside_down = flips(7, 1, MANY)
    for share in (sideways.mean(), upside_down.mean(), (sideways ^ upside_down).mean()):
        assert 0.45 < share < 0.55
