"""How far expected places are off along each axis of the keyboard."""

import numpy as np

from tap2key.models.key_places import Places

AXES = ("right", "away")
AXIS_ERRORS = tuple(f"location_{what}_{axis}_mm" for what in ("bias", "rmse") for axis in AXES)


def axis_errors(
    truth: np.ndarray, expected: np.ndarray, touched: np.ndarray, places: Places
) -> dict[str, float | None]:
    """All of `AXIS_ERRORS`, from the touch sensor's reading to the expected place, on keys.

    Bias is the mean error, root-mean-square error (RMSE) the root of the mean squared one; both to
    the right and away from the user. None where no tap has both places.

    Args:
        truth: [taps], indices of labels.
        expected: [taps, 2] in mm, as `expected_places` gives them.
        touched: [taps, 2], the sensor's x, y in 0.1 mm.
        places: where the labels are.
    """
    errors = (expected - places.seen(touched))[~np.isnan(places.centres[truth, 0])]
    errors = errors[~np.isnan(errors).any(axis=1)]
    if not len(errors):
        return dict.fromkeys(AXIS_ERRORS)
    values = [*errors.mean(axis=0), *np.sqrt((errors**2).mean(axis=0))]
    return dict(zip(AXIS_ERRORS, map(float, values), strict=True))
