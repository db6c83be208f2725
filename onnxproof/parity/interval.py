"""Exact confidence bounds of a share, and of a mean difference between paired scores."""

import numpy as np

from onnxproof._internal.trees import Array

SEED = 20260214
RESAMPLES = 9999
FEWEST_DIFFERENT = 10
"""With fewer scores that differ, a bootstrap says too little: each counts as a whole one lost or gained then."""


def lowest_share(kept: int, count: int, confidence: float) -> float:
    """The exact binomial (Clopper-Pearson) lower bound of a share of which `kept` of `count` were seen, one-sided.

    It is a quantile of a beta distribution: Clopper and Pearson, Biometrika 26 (1934).
    """
    if kept in (0, count):
        return (1 - confidence) ** (1 / count) if kept else 0.0
    from scipy.special import betaincinv  # scipy.stats takes a second to import

    return float(betaincinv(kept, count - kept + 1, 1 - confidence))


def highest_share(kept: int, count: int, confidence: float) -> float:
    """The exact binomial upper bound of a share, one-sided."""
    return 1 - lowest_share(count - kept, count, confidence)


def count_needed(lost: int, share: float, confidence: float) -> int:
    """The fewest samples that show a share if no more than `lost` are lost."""
    above = lost + 1
    while lowest_share(above - lost, above, confidence) < share:
        above *= 2
    below = above // 2
    while above - below > 1:
        middle = (above + below) // 2
        is_enough = middle > lost and lowest_share(middle - lost, middle, confidence) >= share
        above, below = (middle, below) if is_enough else (above, middle)
    return above


def mean_difference(differences: Array, confidence: float) -> tuple[float, float]:
    """One-sided bounds of the mean of paired differences, each from -1 to 1, both at the confidence.

    Differences of -1, 0 and 1 are those of right and wrong answers: their bounds are those of the shares that were lost
    and gained, exact binomial ones as in McNemar's test. Others are resampled, a paired bootstrap (BCa).
    """
    found = np.asarray(differences, np.float64)
    different = int(np.count_nonzero(found))
    if np.isin(found, (-1, 0, 1)).all() or different < FEWEST_DIFFERENT:
        return _difference_of_shares(found, confidence)
    from scipy.stats import bootstrap

    bounds = []
    for alternative in ("less", "greater"):  # scipy's "less" is an interval without a lower end
        random = np.random.default_rng(SEED)
        done = bootstrap(
            (found,), np.mean, n_resamples=RESAMPLES, confidence_level=confidence, alternative=alternative, rng=random
        )
        interval = done.confidence_interval
        bounds.append(float(interval.high if alternative == "less" else interval.low))
    return bounds[1], bounds[0]


def _difference_of_shares(found: Array, confidence: float) -> tuple[float, float]:
    """The bounds of gained minus lost; either share is bounded at half of the risk."""
    each = (1 + confidence) / 2
    count, lost, gained = len(found), int(np.count_nonzero(found < 0)), int(np.count_nonzero(found > 0))
    low = lowest_share(gained, count, each) - highest_share(lost, count, each)
    high = highest_share(gained, count, each) - lowest_share(lost, count, each)
    return low, high
