import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap2key.datasets.splits import blocks_in_time, last_in_time

PEOPLE = st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=7), min_size=1, max_size=4)


def rows(sizes, seed):
    """Rows in any order: participant, number of the recording, and time, by sizes[p][recording]."""
    made = [
        (person, 100 * person + recording, tap)
        for person, counts in enumerate(sizes)
        for recording, count in enumerate(counts)
        for tap in range(count)
    ]
    rng = np.random.default_rng(seed)
    order = np.array([1000 * recording + tap for _, recording, tap in made])
    shuffled = rng.permutation(len(made))
    people = np.array([f"p{person}" for person, _, _ in made])
    recordings = np.array([recording for _, recording, _ in made])
    return people[shuffled], recordings[shuffled], order[shuffled]


@settings(max_examples=200, deadline=None)
@given(PEOPLE, st.floats(0.01, 0.99), st.integers(0, 9))
def test_the_last_rows_of_everybody_came_after_all_others_of_theirs(sizes, fraction, seed):
    people, _, order = rows(sizes, seed)
    last = last_in_time(people, order, fraction)
    for person in set(people):
        own = people == person
        count = last[own].sum()
        assert count == max(1, min(round(fraction * own.sum()), own.sum() - 1))
        if count < own.sum():
            assert order[own & ~last].max() < order[own & last].min()


@settings(max_examples=200, deadline=None)
@given(PEOPLE, st.integers(2, 6), st.integers(0, 9))
def test_blocks_follow_each_other_in_time_and_keep_recordings_whole_where_there_are_enough(
    sizes, count, seed
):
    people, recordings, order = rows(sizes, seed)
    found = blocks_in_time(people, recordings, order, count)
    for person, counts in enumerate(sizes):
        own = people == f"p{person}"
        in_order = found[own][np.argsort(order[own])]
        assert (np.diff(in_order) >= 0).all()
        if len(counts) >= count:
            assert set(in_order) == set(range(count))
            for recording in set(recordings[own]):
                assert len(set(found[recordings == recording])) == 1
            dealt = [len(set(recordings[own & (found == block)])) for block in range(count)]
        else:
            dealt = np.bincount(in_order, minlength=count)
        assert max(dealt) - min(dealt) <= 1


def test_nothing_depends_on_the_order_of_rows():
    people, recordings, order = rows([[3, 2, 4], [9]], 0)
    mixed = np.random.default_rng(1).permutation(len(people))
    for split in (
        lambda p, r, o: last_in_time(p, o, 0.3),
        lambda p, r, o: blocks_in_time(p, r, o, 3),
    ):
        np.testing.assert_array_equal(
            split(people[mixed], recordings[mixed], order[mixed]),
            split(people, recordings, order)[mixed],
        )


@pytest.mark.parametrize(("fraction", "count"), [(0.3, 3), (0.04, 1), (0.97, 9)])
def test_a_fraction_is_rounded_and_leaves_some_on_both_sides(fraction, count):
    assert last_in_time(np.array(["a"] * 10), np.arange(10), fraction).sum() == count
