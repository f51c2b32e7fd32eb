import json
from dataclasses import replace

import numpy as np
import pytest
from located_taps import KEYS, PLACES, accuracy, by_place, session

from tap2key.core.errors import Tap2keyError
from tap2key.models.key_places import places_of
from tap2key.models.session_adaptation import (
    AS_BEFORE,
    Adaptation,
    Outputs,
    Weights,
    fit_labelled,
    fit_unlabelled,
)
from tap2key.models.session_prototypes import Prototypes
from tap2key.models.session_shift import OF_GUESSED_MM, OF_LABELLED_MM, Shift


def without(key):
    """The keyboard's places, of which one is not known."""
    centres = PLACES.centres.copy()
    centres[KEYS.labels.index(key)] = np.nan
    return replace(PLACES, centres=centres, parts={**PLACES.parts, key: np.empty((0, 2))})


def test_one_tap_of_each_key_tells_a_shift_of_the_whole_keyboard():
    rng = np.random.default_rng(1)
    keys, seen = session(rng, per_key=6, shift=(7, -6), stretch=1.03)
    given = np.arange(len(keys)) % 6 == 0
    shift = Shift.fit(seen[given], keys[given], PLACES)
    _, straight = session(np.random.default_rng(1), per_key=6)
    assert np.abs(shift(seen[~given]) - straight[~given]).max(axis=1).mean() < 1.0
    outputs = Outputs(by_place(seen), seen)
    before = accuracy(outputs.probabilities[~given], keys[~given])
    named = fit_labelled(outputs.of(given), keys[given], PLACES).scores(outputs.of(~given))
    assert before < 0.75
    assert accuracy(named, keys[~given]) > 0.97


def test_taps_that_seem_to_be_on_the_next_key_are_named_by_the_shift_instead_of_the_model():
    """Half of the model's own word and half of the shift's would meet between the two keys."""
    rng = np.random.default_rng(6)
    keys, seen = session(rng, per_key=6, shift=(19, 0), stretch=1.1)
    given = np.arange(len(keys)) % 6 == 0
    outputs = Outputs(by_place(seen), seen)
    found = fit_labelled(outputs.of(given), keys[given], PLACES)
    assert accuracy(outputs.probabilities[~given], keys[~given]) < 0.25
    assert accuracy(found.scores(outputs.of(~given)), keys[~given]) > 0.95
    assert found.weights.own < 1


def test_a_shift_follows_places_that_are_bent():
    rng = np.random.default_rng(7)
    keys, seen = session(rng, per_key=5)
    middle = np.nanmean(PLACES.centres, axis=0)
    right, away = ((seen - middle) / 60).T
    bent = seen + np.stack([6 * right * away, 4 * right**2], axis=1)
    given = np.arange(len(keys)) % 5 < 3
    off = {
        prior: np.abs((Shift.fit(bent[given], keys[given], PLACES, prior)(bent) - seen)[~given])
        for prior in (OF_LABELLED_MM, OF_GUESSED_MM)
    }
    assert off[OF_LABELLED_MM].max(axis=1).mean() < 0.8
    assert off[OF_GUESSED_MM].max(axis=1).mean() > 2


def test_whether_a_tap_was_on_a_key_without_a_place_is_left_to_the_model():
    rng = np.random.default_rng(8)
    keys, seen = session(rng, per_key=3, shift=(19, 0))
    outputs = Outputs(by_place(seen), seen)
    q = KEYS.labels.index("q")
    outputs.probabilities[:] *= 0.8 / (1 - outputs.probabilities[:, q, None])
    outputs.probabilities[:, q] = 0.2
    shift = Shift.fit(seen[keys != q], keys[keys != q], without("q"))
    for weights in (Weights(0.0, 0.5, 0.0), Weights(0.5, 0.2, 0.0), AS_BEFORE):
        named = Adaptation(shift, None, weights).probabilities(outputs)
        np.testing.assert_allclose(named[:, q], 0.2, rtol=0.02)


def test_a_single_tap_in_the_very_middle_of_a_key_is_on_it():
    """Its distance to that key is 0, which is not to be taken for nothing said."""
    f = KEYS.labels.index("f")
    shift = Shift(np.zeros((3, 2)), 25.0, PLACES)
    chances = np.full((1, len(KEYS.labels)), 0.9 / (len(KEYS.labels) - 1))
    chances[0, f] = 0.1
    tap = Outputs(chances, PLACES.centres[[f]])
    named = Adaptation(shift, None, Weights(0.0, 1.0, 0.0)).probabilities(tap)
    assert named[0, f] > 0.9


def test_a_key_without_a_place_is_named_as_before_and_the_others_by_the_shift():
    rng = np.random.default_rng(1)
    keys, seen = session(rng, per_key=6, shift=(7, -6))
    q = KEYS.labels.index("q")
    given = np.arange(len(keys)) % 6 == 0
    outputs = Outputs(by_place(seen), seen)
    # The model is sure of that key, wherever it takes its taps to be.
    outputs.probabilities[:, q] = np.where(keys == q, 0.99, 1e-6)
    named = fit_labelled(outputs.of(given), keys[given], without("q")).scores(outputs.of(~given))
    assert np.isfinite(named).all()
    assert accuracy(outputs.probabilities[~given], keys[~given]) < 0.85
    assert accuracy(named, keys[~given]) > 0.95
    assert accuracy(named[keys[~given] == q], q) == 1


def test_a_far_outlier_hardly_moves_the_shift():
    rng = np.random.default_rng(2)
    keys, seen = session(rng, per_key=1, shift=(4, 4))
    seen[3] += 120
    found = Shift.fit(seen, keys, PLACES)
    moved = found(seen)[4:] - seen[4:]
    np.testing.assert_allclose(moved.mean(axis=0), [-4, -4], atol=1.5)


def test_a_model_that_needs_no_adaptation_is_left_alone():
    rng = np.random.default_rng(3)
    keys, seen = session(rng, per_key=6)
    given = np.arange(len(keys)) % 6 == 0
    for places in (seen, None):
        outputs = Outputs(by_place(seen), places)
        named = fit_labelled(outputs.of(given), keys[given], PLACES).scores(outputs.of(~given))
        before = accuracy(outputs.probabilities[~given], keys[~given])
        assert accuracy(named, keys[~given]) >= before - 0.01


def test_prototypes_mend_keys_that_a_model_takes_for_their_neighbours():
    """Without places, as of a forest: both of two keys sound like the second, the first less so."""
    labels, per_key = 6, 8
    keys = np.repeat(np.arange(labels), per_key)
    profiles = np.zeros((labels, labels))
    for first in range(0, labels, 2):
        profiles[first, first : first + 2] = 0.45, 0.55
        profiles[first + 1, first : first + 2] = 0.1, 0.9
    rng = np.random.default_rng(4)
    chances = 0.95 * profiles[keys] + 0.05 * rng.dirichlet(np.ones(labels), len(keys))
    given = np.arange(len(keys)) % per_key < 3
    added = Prototypes.fit(chances[given], keys[given]).scores(chances[~given])
    assert accuracy(chances[~given], keys[~given]) < 0.6
    assert accuracy(np.log(chances[~given]) + added, keys[~given]) > 0.95


def test_a_key_without_a_labelled_tap_is_neither_favoured_nor_ruled_out():
    rng = np.random.default_rng(5)
    keys = np.repeat(np.arange(5), 10)
    chances = 0.8 * np.eye(5)[keys] + 0.2 * rng.dirichlet(np.ones(5), len(keys))
    given = (np.arange(len(keys)) % 10 == 0) & (keys != 4)
    added = Prototypes.fit(chances[given], keys[given]).scores(chances[~given])
    named = (np.log(chances[~given]) + added).argmax(axis=1)
    assert (named == keys[~given]).mean() > 0.95
    assert Prototypes.fit(chances[:1], keys[:1]) is None


@pytest.mark.parametrize("seed", range(3))
def test_labels_are_not_judged_by_the_taps_that_taught_them(seed):
    """What a model says of these taps has nothing to do with their keys: nothing can be learned."""
    count = len(KEYS.labels)
    chances = np.random.default_rng(seed).dirichlet(np.ones(count), 2 * count)
    keys = np.tile(np.arange(count), 2)
    assert fit_labelled(Outputs(chances, None), keys, PLACES).weights == AS_BEFORE


@pytest.mark.parametrize("seed", range(3))
def test_one_tap_per_key_of_noise_leaves_the_model_alone(seed):
    """A tap that is left out takes its key's only prototype with it."""
    noise = np.random.default_rng(seed).dirichlet(np.ones(len(PLACES.labels)), len(PLACES.labels))
    keys = np.arange(len(PLACES.labels))
    found = fit_labelled(Outputs(noise, None), keys, PLACES)
    assert found.weights.prototypes == 0


def test_a_model_that_answers_always_the_same_is_left_alone():
    keys, _ = session(np.random.default_rng(3), per_key=2)
    alike = Outputs(np.full((len(keys), len(KEYS.labels)), 1 / len(KEYS.labels)), None)
    assert Prototypes.fit(alike.probabilities, keys) is None
    found = fit_labelled(alike, keys, PLACES)
    np.testing.assert_allclose(found.probabilities(alike), alike.probabilities)


def test_without_any_place_of_a_key_taps_without_labels_tell_nothing():
    _, seen = session(np.random.default_rng(3), per_key=2)
    nowhere = replace(PLACES, centres=np.full_like(PLACES.centres, np.nan))
    outputs = Outputs(by_place(seen), np.full_like(seen, np.nan))
    with pytest.raises(Tap2keyError, match="places of keys are needed, and the keyboard has none"):
        fit_unlabelled(outputs, nowhere)


def test_a_tap_without_a_place_neither_moves_the_shift_nor_is_moved_by_it():
    rng = np.random.default_rng(1)
    keys, seen = session(rng, per_key=6, shift=(7, -6))
    given = np.arange(len(keys)) % 6 == 0
    unseen = np.arange(len(keys)) % 4 == 1
    places = np.where(unseen[:, None], np.nan, seen)
    found = fit_labelled(Outputs(by_place(seen), places).of(given), keys[given], PLACES)
    located = Shift.fit(seen[given & ~unseen], keys[given & ~unseen], PLACES)
    np.testing.assert_array_equal(found.shift.coefficients, located.coefficients)
    hints = found.hints(Outputs(by_place(seen), places))
    assert not hints[0, unseen].any() and hints[0, ~unseen].any(axis=1).all()


def test_what_was_learned_is_read_back_as_it_was():
    rng = np.random.default_rng(9)
    keys, seen = session(rng, per_key=3, shift=(7, -6))
    outputs = Outputs(by_place(seen), seen)
    for found in (
        fit_labelled(outputs, keys, PLACES),
        fit_labelled(Outputs(outputs.probabilities, None), keys, PLACES),
        fit_unlabelled(outputs, PLACES),
        Adaptation(None, None),
    ):
        saved = json.loads(json.dumps(found.as_dict(PLACES.labels)))
        read = Adaptation.from_dict(saved, places_of(KEYS, KEYS.labels))
        np.testing.assert_array_equal(read.scores(outputs), found.scores(outputs))


def test_the_keys_that_a_model_is_sure_of_tell_a_shift_without_any_label():
    rng = np.random.default_rng(10)
    keys, seen = session(rng, per_key=8, shift=(7, -6))
    _, straight = session(np.random.default_rng(10), per_key=8)
    outputs = Outputs(by_place(seen), seen)
    found = fit_unlabelled(outputs, PLACES)
    np.testing.assert_array_equal(found.places(outputs), found.shift(seen))
    assert np.abs(found.shift(seen) - straight).max(axis=1).mean() < 1.5
    assert accuracy(found.scores(outputs), keys) > accuracy(outputs.probabilities, keys) + 0.05
    # Of a shift by half a key the first round finds but a part.
    keys, far = session(np.random.default_rng(4), per_key=8, shift=(9, -8))
    shifted = Outputs(by_place(far), far)
    assert accuracy(shifted.probabilities, keys) < 0.6
    assert accuracy(fit_unlabelled(shifted, PLACES).scores(shifted), keys) > 0.95
    with pytest.raises(Tap2keyError, match="only a network"):
        fit_unlabelled(Outputs(outputs.probabilities, None), PLACES)
    with pytest.raises(Tap2keyError, match=r"sure of 9 of 10 taps, .*20 are needed"):
        fit_unlabelled(outputs.of(np.arange(0, 260, 26)), PLACES)
