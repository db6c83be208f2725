"""What moved between the latencies of two runs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from onnxproof.results import Latency, Ratio

SLOWER, FASTER, UNCHANGED = "slower", "faster", "unchanged"


@dataclass(frozen=True)
class Move:
    """What a contender takes as a multiple of the same baseline, in an earlier run and in a later one."""

    case: str
    contender: str
    earlier: Ratio
    later: Ratio

    @property
    def verdict(self) -> str:
        """`SLOWER` or `FASTER` if the intervals do not overlap, `UNCHANGED` if they do."""
        if self.later.low > self.earlier.high:
            return SLOWER
        return FASTER if self.later.high < self.earlier.low else UNCHANGED


@dataclass(frozen=True)
class Moves:
    """The contenders that two runs have in common, but for baselines, whose ratio is always 1.

    `missing` names the workloads and contenders of the earlier run alone, `new` those of the later one alone, and
    `unlike` the workloads with another baseline or number of threads, which are not compared.
    """

    moves: tuple[Move, ...]
    missing: tuple[str, ...]
    new: tuple[str, ...]
    unlike: tuple[str, ...]

    def __getitem__(self, verdict: str) -> list[Move]:
        return [move for move in self.moves if move.verdict == verdict]

    @property
    def counts(self) -> str:
        """The number of each verdict as text: `1 slower, 0 faster, 9 unchanged`."""
        found = Counter(move.verdict for move in self.moves)
        return ", ".join(f"{found[verdict]} {verdict}" for verdict in (SLOWER, FASTER, UNCHANGED))


def moves(earlier: Iterable[Latency], later: Iterable[Latency]) -> Moves:
    """Compares the latencies of two runs, workload by workload, in the order of the later one."""
    before, after = ({latency.case: latency for latency in latencies} for latencies in (earlier, later))
    both = [(before[case], latency) for case, latency in after.items() if case in before]
    compared = (move for was, now in both if not _differences(was, now) for move in _moves(was, now))
    return Moves(
        moves=tuple(compared),
        missing=tuple(_alone(before, after)),
        new=tuple(_alone(after, before)),
        unlike=tuple(f"{now.case}: {', '.join(found)}" for was, now in both if (found := _differences(was, now))),
    )


def _moves(was: Latency, now: Latency) -> Iterator[Move]:
    earlier = {timing.name: timing.ratio for timing in was.timings}
    for timing in now.timings:
        if timing.name in earlier and timing.name != now.baseline:
            yield Move(now.case, timing.name, earlier[timing.name], timing.ratio)


def _differences(was: Latency, now: Latency) -> list[str]:
    """Why the ratios of two measurements are not comparable."""
    kinds = {"baseline": (was.baseline, now.baseline), "threads": (was.threads, now.threads)}
    return [f"{kind} {later}, earlier {earlier}" for kind, (earlier, later) in kinds.items() if earlier != later]


def _alone(these: Mapping[str, Latency], others: Mapping[str, Latency]) -> Iterator[str]:
    """The workloads and contenders that only `these` have, with the reason why one of the others did not run."""
    for case, latency in these.items():
        if case not in others:
            yield case
            continue
        known = {timing.name for timing in others[case].timings}
        for timing in latency.timings:
            if timing.name not in known:
                reason = others[case].not_run.get(timing.name)
                yield f"{case}: {timing.name}" + (f" ({reason})" if reason else "")
