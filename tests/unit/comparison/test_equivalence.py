import numpy as np
import pytest
from scipy.stats import t

from tap2key.comparison.equivalence import correlated_t_test
from tap2key.comparison.intervals import Variance

DIFFERENCES = np.array([0.019, 0.012, 0.034, -0.004, 0.008, 0.021])


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        # What baycomp 1.0.3 finds: CorrelatedTTest(differences, zeros, rope=0.01).probs().
        (
            [0.019, 0.012, 0.034, -0.004, 0.008, 0.021],
            (0.0119899200568, 0.2631474746009, 0.7248626053422),
        ),
        ([0.002, -0.003, 0.001, 0.004], (0.0081689333093, 0.9778519750428, 0.0139790916479)),
    ],
)
def test_probabilities_are_those_of_baycomp(differences, expected):
    found = correlated_t_test(np.array(differences), 0.01)
    assert (found.worse, found.equivalent, found.better) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("mean", "expected"), [(0.005, (0, 1, 0)), (0.02, (0, 0, 1)), (-0.02, (1, 0, 0))]
)
def test_differences_that_are_all_alike_are_certain(mean, expected):
    found = correlated_t_test(np.full(4, mean), 0.01)
    assert (found.worse, found.equivalent, found.better) == expected


def test_variance_from_seeds_widens_it_with_their_few_degrees_of_freedom():
    n, mean = len(DIFFERENCES), DIFFERENCES.mean()
    of_people = DIFFERENCES.var(ddof=1) * (1 / n + 1 / (n - 1))
    found = correlated_t_test(DIFFERENCES, 0.01, Variance(np.array(of_people), 2))
    freedom = (2 * of_people) ** 2 / (of_people**2 / (n - 1) + of_people**2 / 2)
    expected = t(freedom, mean, np.sqrt(2 * of_people))
    assert found.worse == pytest.approx(expected.cdf(-0.01))
    assert found.better == pytest.approx(expected.sf(0.01))


def test_the_more_of_the_data_a_fold_tests_the_more_cautious_it_is():
    found = correlated_t_test(DIFFERENCES, 0.01, tested_share=1 / 3)
    # By the formula, with a third of the people in every fold.
    scale = DIFFERENCES.std(ddof=1) * np.sqrt(1 / 6 + (1 / 3) / (2 / 3))
    assert found.worse == pytest.approx(t(5, DIFFERENCES.mean(), scale).cdf(-0.01))
    assert found.better == pytest.approx(t(5, DIFFERENCES.mean(), scale).sf(0.01))
    assert correlated_t_test(DIFFERENCES, 0.01, tested_share=1 / 6) == correlated_t_test(
        DIFFERENCES, 0.01
    )
