"""Batches: every sample once an epoch, orders keyed by seed and epoch, rows as in a run alone."""

from __future__ import annotations

import numpy as np
import pytest

from framework.data.batches import Batches, chunks
from framework.data.prepare import Samples
from framework.errors import InputError


def numbered(count: int) -> Samples:
    """Sample i has inputs (i, -i) and target i, so that a batch tells which samples it holds."""
    places = np.arange(count)
    return Samples(np.stack([places, -places], axis=1).astype(np.float32), places)


def order(batches: Batches, epoch: int) -> np.ndarray:
    return np.concatenate([batch.targets for batch in batches.epoch(epoch)], axis=1)


@pytest.mark.parametrize(("count", "size", "sizes"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 8, [3]), (5, 1, [1] * 5)])
def test_an_epoch_holds_every_sample_once_and_ends_with_the_smaller_batch(count, size, sizes):
    batches = Batches(numbered(count), [3], size)
    seen = list(batches.epoch(1))
    assert [batch.size for batch in seen] == sizes
    assert batches.per_epoch == len(sizes)
    assert sorted(np.concatenate([batch.targets[0] for batch in seen])) == list(range(count))


def test_inputs_stay_with_their_targets():
    for batch in Batches(numbered(50), [0, 1, 0], 7).epoch(2):
        assert batch.inputs.shape == (3, batch.size, 2)
        np.testing.assert_array_equal(batch.inputs[..., 0], batch.targets)
        np.testing.assert_array_equal(batch.inputs[..., 1], -batch.targets)


def test_drop_last_leaves_out_the_smaller_batch_only():
    kept = Batches(numbered(10), [0], 4)
    dropped = Batches(numbered(10), [0], 4, drop_last=True)
    assert dropped.per_epoch == 2
    np.testing.assert_array_equal(order(dropped, 1), order(kept, 1)[:, :8])
    assert Batches(numbered(8), [0], 4, drop_last=True).per_epoch == 2


def test_dropping_the_only_batch_is_refused():
    with pytest.raises(InputError, match="drop_last"):
        Batches(numbered(3), [0], 4, drop_last=True)


def test_runs_of_one_seed_share_one_row():
    for batch in Batches(numbered(10), [5, 5, 5], 4).epoch(1):
        assert batch.inputs.shape[0] == batch.targets.shape[0] == 1


@pytest.mark.parametrize("seeds", [[1, 2], [2, 1, 2], [0, 0, 7]])
@pytest.mark.parametrize("shuffle", [True, False])
def test_rows_of_mixed_seeds_are_those_of_the_run_alone(seeds, shuffle):
    together = list(Batches(numbered(23), seeds, 5, shuffle=shuffle).epoch(3))
    for row, seed in enumerate(seeds):
        alone = list(Batches(numbered(23), [seed], 5, shuffle=shuffle).epoch(3))
        for batch, own in zip(together, alone, strict=True):
            np.testing.assert_array_equal(batch.inputs[row], own.inputs[0])
            np.testing.assert_array_equal(batch.targets[row], own.targets[0])


def test_the_order_depends_on_seed_and_epoch_and_on_nothing_else():
    first = order(Batches(numbered(40), [0], 8), 1)
    assert (first != order(Batches(numbered(40), [0], 8), 2)).any()
    assert (first != order(Batches(numbered(40), [1], 8), 1)).any()
    resumed = Batches(numbered(40), [0], 11)
    order(resumed, 5)
    np.testing.assert_array_equal(order(resumed, 1), first)


def test_without_shuffling_the_order_is_the_samples_own():
    np.testing.assert_array_equal(order(Batches(numbered(10), [4], 4, shuffle=False), 7), [np.arange(10)])


@pytest.mark.parametrize("size", [1, 4, 10, 64])
def test_chunks_cover_all_samples_in_order(size):
    samples = numbered(10)
    parts = list(chunks(samples, size))
    assert all(part.inputs.shape[0] == part.targets.shape[0] == 1 for part in parts)
    assert max(part.size for part in parts) <= size
    np.testing.assert_array_equal(np.concatenate([part.inputs[0] for part in parts]), samples.inputs)
    np.testing.assert_array_equal(np.concatenate([part.targets[0] for part in parts]), samples.targets)
