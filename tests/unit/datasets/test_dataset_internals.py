import numpy as np
from datasets import Dataset

from tap2key.datasets.dataset_internals import fingerprint_of, selected_rows


def test_a_selection_of_a_selection_shows_rows_of_the_table_repeats_included():
    whole = Dataset.from_dict({"tap": [10, 11, 12, 13]})
    twice = whole.select([3, 1, 1]).select([0, 2, 2])
    for data, rows in ((whole, [0, 1, 2, 3]), (twice, [3, 1, 1])):
        found = selected_rows(data)
        assert found.dtype == np.int64
        assert found.tolist() == rows
        assert whole.data.column("tap").to_numpy()[found].tolist() == data["tap"][:]


def test_a_fingerprint_tells_selections_apart():
    whole = Dataset.from_dict({"tap": [10, 11, 12, 13]})
    assert fingerprint_of(whole.select([1])) == fingerprint_of(whole.select([1]))
    assert fingerprint_of(whole.select([1])) != fingerprint_of(whole.select([2]))
