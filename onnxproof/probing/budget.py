"""What checking a case costs, counted in operations, and what a budget of seconds pays for.

The seconds are those of a machine that computes `FLOPS` a second in float32, so that every machine judges the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxproof.engines.work import Work

FLOPS = 2e10
"""The operations that torch does in a second, on two cores of 2024."""

SECONDS = 5.0
"""The default budget of what is judged besides the example."""

CHEAP, FLOAT64 = 3, 6
"""How many times a float32 run other runs take: itself and the file with optimization and without, and the model in
float64."""

MOST_PROBES = 6
"""About as many probes are drawn besides the example."""

EVALUATOR = 4
"""How many times a float32 run the reference evaluator takes, besides its loops."""


OF_A_FILE, LEAST = 5.0, 0.1
"""An ONNX original costs less than an export: what is judged besides its example may cost so many runs of it, and at
least so many seconds, by default."""


def budget_of_file(budget: float, work: Work) -> float:
    """The seconds for an ONNX original, of a `budget` that counts as many times the default as it says."""
    return budget / SECONDS * max(LEAST, OF_A_FILE * run_seconds(work))


def run_seconds(work: Work) -> float:
    """What a float32 run costs."""
    return work.flops / FLOPS


def check_seconds(work: Work, budget: float, is_first: bool = True) -> float:
    """What a check costs, about: the example, others within the budget, and the reference evaluator if that pays.

    `work` is that of the example. The file alone costs less where it is not the first of its model.
    """
    run = run_seconds(work)
    a_probe = (CHEAP + FLOAT64) * run
    share = 1.0 if is_first else (CHEAP - 1) / (CHEAP + FLOAT64)
    evaluator = evaluator_seconds(work)
    return share * (a_probe + min(budget, MOST_PROBES * a_probe)) + evaluator * (evaluator <= budget)


def evaluator_seconds(work: Work) -> float:
    """What a run of the file in the reference evaluator costs."""
    return EVALUATOR * run_seconds(work) + work.loops


@dataclass
class Budget:
    """Seconds to spend on runs, and those that are spent."""

    seconds: float = SECONDS
    spent: float = field(default=0.0, init=False)

    def pays_for(self, cost: float) -> bool:
        """Whether a further cost is within the budget."""
        return self.spent + cost <= self.seconds
