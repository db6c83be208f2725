"""What has moved between two runs is what has moved beyond both intervals."""

from dataclasses import replace

import numpy as np
import pytest

from onnxproof.latency import ratio
from onnxproof.report.moves import FASTER, SLOWER, UNCHANGED, Move, moves
from onnxproof.results import Ratio
from tests.harness.runs import timed

EARLIER = Ratio(1.5, 1.4, 1.6)


class TestVerdict:
    """A contender is slower or faster if the two intervals do not overlap."""

    @pytest.mark.parametrize(
        ("later", "verdict"),
        [
            pytest.param((1.8, 1.61, 2.0), SLOWER, id="above"),
            pytest.param((1.8, 1.6, 2.0), UNCHANGED, id="touches-above"),
            pytest.param((1.5, 1.3, 1.7), UNCHANGED, id="around"),
            pytest.param((1.9, 1.5, 2.5), UNCHANGED, id="median-above-the-interval"),
            pytest.param((1.2, 1.0, 1.4), UNCHANGED, id="touches-below"),
            pytest.param((1.2, 1.0, 1.39), FASTER, id="below"),
            pytest.param((float("inf"),) * 3, SLOWER, id="infinite"),
        ],
    )
    def test_interval(self, later, verdict):
        """The medians do not decide."""
        assert Move("case", "torch", EARLIER, Ratio(*later)).verdict == verdict

    @pytest.mark.parametrize(
        ("times", "least", "most"), [pytest.param(1, 0, 3, id="same"), pytest.param(1.5, 100, 100, id="larger")]
    )
    def test_noise(self, times, least, most):
        """Of 100 pairs of noisy measurements hardly any moves if both are of one ratio, and all if one is larger."""
        noise = np.random.default_rng(0).normal(3, 0.3, (100, 2, 30))
        pairs = [(ratio(first, np.ones(30)), ratio(times * second, np.ones(30))) for first, second in noise]
        verdicts = [Move("case", "torch", *pair).verdict for pair in pairs]
        assert least <= verdicts.count(SLOWER) <= most
        assert verdicts.count(FASTER) <= 3


class TestRuns:
    """Two runs are compared workload by workload."""

    def test_each_contender(self):
        """Each contender of both runs has a verdict, but for the baseline, and the verdicts are counted."""
        found = moves([timed(torch=2, vino=0.8, cv=3)], [timed(torch=2.5, vino=0.5, cv=3)])
        assert [(move.contender, move.verdict) for move in found.moves] == [
            ("torch", SLOWER),
            ("vino", FASTER),
            ("cv", UNCHANGED),
        ]
        assert [move.contender for move in found[SLOWER]] == ["torch"]
        assert found.counts == "1 slower, 1 faster, 1 unchanged"
        assert (found.missing, found.new, found.unlike) == ((), (), ())

    def test_same_run(self):
        """A run compared with itself has not moved."""
        run = [timed("a", torch=2, vino=0.8), timed("b", torch=3)]
        assert moves(run, run).counts == "0 slower, 0 faster, 3 unchanged"

    def test_workloads(self):
        """Workloads are found by their names; those of one run alone are named."""
        found = moves([timed("a", torch=2), timed("gone", torch=2)], [timed("new", torch=9), timed("a", torch=2)])
        assert [(move.case, move.verdict) for move in found.moves] == [("a", UNCHANGED)]
        assert (found.missing, found.new) == (("gone",), ("new",))

    def test_contenders(self):
        """Contenders of one run alone are named, with the reason why one did not run in the other."""
        earlier = replace(timed("a", torch=2, vino=0.8), not_run={"cv": "no file"})
        later = replace(timed("a", torch=2, cv=3), not_run={"vino": "not installed"})
        found = moves([earlier], [later])
        assert (found.missing, found.new) == (("a: vino (not installed)",), ("a: cv (no file)",))
        assert [move.contender for move in found.moves] == ["torch"]

    def test_unlike(self):
        """With another baseline or number of threads a ratio means something else, and is not compared."""
        run = timed("a", torch=2)
        other = replace(run, baseline="torch", threads=4)
        found = moves([run], [other])
        assert (found.moves, found.unlike) == ((), ("a: baseline torch, earlier ort, threads 4, earlier 1",))
