import numpy as np
from scipy import stats

from tap2key.training.mixing import Mixture

SEEDS = [(0, 3, row) for row in range(2000)]


def test_shares_are_the_larger_ones_of_a_beta_distribution():
    shares = Mixture.drawn(0.3, 50, SEEDS).shares
    folded = stats.beta(0.3, 0.3)
    assert shares.dtype == np.float32
    assert shares.min() >= 0.5
    assert stats.kstest(shares, lambda x: 2 * (folded.cdf(x) - 0.5)).pvalue > 0.01


def test_every_row_is_as_likely_a_partner():
    partners = Mixture.drawn(0.3, 8, SEEDS).partners
    assert stats.chisquare(np.bincount(partners, minlength=8)).pvalue > 0.01


def test_a_seed_draws_the_same_whatever_else_is_in_the_batch():
    together, alone = Mixture.drawn(0.5, 90, SEEDS[:5]), Mixture.drawn(0.5, 90, SEEDS[3:4])
    assert together.partners[3] == alone.partners[0]
    assert together.shares[3] == alone.shares[0]


def test_rows_are_added_in_their_shares():
    mixture = Mixture(np.array([1, 0]), np.array([0.75, 0.5], np.float32))
    mixed = mixture.of(np.array([[4.0, 0.0], [8.0, 2.0]]), np.array([[8.0, 2.0], [4.0, 0.0]]))
    assert mixed.tolist() == [[5.0, 0.5], [6.0, 1.0]]
