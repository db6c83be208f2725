"""The conversion checks in pytest: `@conversion_checks(case)` makes a test of each check and exporter."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
import pytest

from onnxproof.plugin.engines import engines_of_test, id_in, require_engines
from onnxproof.plugin.targets import targets
from onnxproof.results import CheckResult, CheckVerdict, RefusedCase, Target

if TYPE_CHECKING:
    from onnxproof.case import Case
    from onnxproof.checks.check import Check
    from onnxproof.engines.base import Engine
    from onnxproof.findings import Finding
    from onnxproof.probing.conversion import Conversion
    from onnxproof.probing.reference import ReferenceModel

FINDING = "onnxproof-finding"
REFUSED = "onnxproof-refused"
MARKER = "conversion_checks"
GRAPHS = pytest.StashKey[dict[str, dict[str, Any]]]()
"""The graphs of this process for results.json, by the name of the file."""

_CASES = pytest.StashKey["dict[str, tuple[Any, str]]"]()
"""What gives the case of a name, itself or the function that makes it, and the case's name as it is written."""

_COUNT = pytest.StashKey[int]()
_ENGINES = pytest.StashKey["dict[str, dict[str, Engine]]"]()
"""The engines that each case is checked in now, by its name."""

_REFUSALS = pytest.StashKey[dict[str, str]]()


def conversion_checks(
    *cases: Case | Callable[[], Case],
    only: Iterable[str] | None = None,
    skip: Iterable[str] = (),
    checks: Iterable[Check] = (),
    file: str | os.PathLike[str] | None = None,
    loss: bool = False,
    engines: Iterable[str | Engine] = (),
) -> pytest.MarkDecorator:
    """Makes a test of each case, exporter and check of `def test_conversion(onnx_check): onnx_check()`.

    A case is a `Case`, or a function that makes one, which is called when its first test runs. `only`, `skip`,
    `checks`, `file` and `engines` are those of `onnxproof.check`. pytest cannot know when it collects the tests what a
    function will make: `loss` says that its case states a loss, `engines` those that it names. A check that a case
    expects to fail is a strict xfail; one that cannot judge is skipped with the reason, and one that is undecided
    fails. With `--onnx-report DIR` each failure leaves `DIR/repro/…` with the file, the arrays and a script.

    An error of collection stops the run: no case or something else, an unknown check, two cases of one name, a test
    without `onnx_check`.
    """
    if not cases or any(getattr(case, "__name__", "").startswith("test") for case in cases):
        raise pytest.UsageError(f"write @{MARKER}(case) above the test: without a case it checks nothing")
    asked = {"only": only, "skip": skip, "checks": checks, "file": file, "loss": loss, "engines": engines}
    return getattr(pytest.mark, MARKER).with_args(*cases, **asked)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Placed:
    """A finding, with the place of its check among those of the test."""

    place: int
    finding: CheckResult


@dataclass
class BoundCheck:
    """The check that a test calls."""

    check: Check
    conversion: Conversion | RefusedCase
    report: str | None
    test: str
    refusals: dict[str, str]
    finding: Finding | None = None

    def __call__(self) -> None:
        """Passes, fails with the finding, is skipped, or is the failure that was expected."""
        __tracebackhide__ = True
        from onnxproof.case import CaseError
        from onnxproof.checks.check import judge
        from onnxproof.checks.run import with_repro

        obstacle = script = ""
        if isinstance(self.conversion, RefusedCase):
            self._refuse(self.conversion)
        try:
            self.finding = found = judge(self.check, self.conversion)
            self.finding = found = with_repro(found, self.conversion, self.report)
        except CaseError as error:
            self.conversion = RefusedCase(self.conversion.case.name, str(error))
            self._refuse(self.conversion)
        except OSError as error:
            obstacle = f"\n→ {self.report} cannot take a script that shows it: {error.strerror}"
        if found.verdict == CheckVerdict.NOT_JUDGED:
            pytest.skip(f"{found.check}: {found.problem}")
        if found.verdict == CheckVerdict.EXPECTED:
            pytest.xfail(f"{found.advice}; {found.problem}")
        if not found.verdict.is_a_pass:
            script = f"\n→ python {self.report}/{found.repro}/repro.py" if found.repro else ""
            pytest.fail(f"{found}{script}{obstacle}", pytrace=False)

    def _refuse(self, refused: RefusedCase) -> NoReturn:
        """Fails; where the case has failed another test for the same reason, skips."""
        __tracebackhide__ = True
        reason = f"{refused.case}: {refused.problem}"
        first = self.refusals.setdefault(reason, self.test)
        if first != self.test:
            pytest.skip(f"the case cannot be checked: see {first}")
        pytest.fail(reason, pytrace=False)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_CASES], config.stash[_REFUSALS], config.stash[_COUNT] = {}, {}, 0
    config.stash[_ENGINES] = {}
    config.addinivalue_line("markers", f"{MARKER}(*cases): runs each check on each case, with each exporter")
    config.addinivalue_line("markers", "xdist_group(name): pytest-xdist's --dist loadgroup runs a case in one process")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`onnx_case` is each case, `onnx_target` each exporter, `onnx_check` each check."""
    marker = metafunc.definition.get_closest_marker(MARKER)
    if marker is None:
        return
    from onnxproof.case import CaseError
    from onnxproof.checks.run import LOSS_CHECKS, choose, in_engines

    test = metafunc.definition.nodeid
    if "onnx_check" not in metafunc.fixturenames:
        raise pytest.Collector.CollectError(f"{test}: write def {metafunc.function.__name__}(onnx_check): onnx_check()")
    options = dict(marker.kwargs)
    file, is_lossy, given = options.pop("file", None), options.pop("loss", False), options.pop("engines", ())
    try:
        made = [case for case in marker.args if not _is_maker(case)]
        asked = {**options, "checks": (*options["checks"], *LOSS_CHECKS.values())} if is_lossy else options
        chosen = choose(**asked, cases=[_known(metafunc.config, case, case) for case in made])
        engines = engines_of_test(metafunc.config, given, made)
    except CaseError as error:
        raise pytest.Collector.CollectError(f"{test}: {error}") from error
    metafunc.config.stash[_COUNT] += len(marker.args)
    names = [case.__name__ if _is_maker(case) else case.name for case in marker.args]
    found = [Path(file)] if file else targets(metafunc.config)
    cases = [
        pytest.param((case, options, {*chosen}, engines), id=name, marks=pytest.mark.xdist_group(name))
        for case, name in zip(marker.args, names, strict=True)
    ]
    metafunc.parametrize("onnx_case", cases, scope="session", indirect=True)
    ids = [file.name if isinstance(file, Path) else str(file) for file in found]
    metafunc.parametrize("onnx_target", found, ids=ids, scope="session", indirect=True)
    placed = list(in_engines(chosen, engines))
    checks = [(chosen[id], engine) for id, engine in placed]
    metafunc.parametrize("onnx_check", checks, ids=[id_in(*each) for each in placed], indirect=True)


@pytest.fixture(scope="session")
def onnx_case(request: pytest.FixtureRequest) -> ReferenceModel | RefusedCase:
    """The model of a case, shared by its exporters; a function that makes the case is called now."""
    from onnxproof.case import CaseError
    from onnxproof.checks.run import choose
    from onnxproof.probing.reference import ReferenceModel

    given, options, chosen, engines = request.param
    try:
        case = _known(request.config, given() if _is_maker(given) else given, given)
        left_out = {*choose(**options, cases=[case])} - chosen
        if left_out:
            raise CaseError(f"its case states a loss: write @{MARKER}({given.__name__}, loss=True)")
        if _is_maker(given):
            require_engines(request.config, case, engines, given)
        request.config.stash[_ENGINES][case.name] = engines
        asked = request.config.option
        budget = math.inf if asked.onnx_thorough else asked.onnx_budget
        return ReferenceModel(case, budget, asked.onnx_timeout)
    except CaseError as error:
        return RefusedCase(getattr(given, "__name__", str(given)), str(error))


@pytest.fixture(scope="session")
def onnx_conversion(
    request: pytest.FixtureRequest, onnx_case: ReferenceModel | RefusedCase, onnx_target: Target | Path
) -> Conversion | RefusedCase:
    """The conversion of a case by an exporter, or the file that is given; pytest drops it after its last check."""
    from onnxproof.engines.asked import with_defaults
    from onnxproof.exporting.export import warm_up
    from onnxproof.probing.conversion import Conversion, exported
    from onnxproof.probing.files import GivenFile

    if isinstance(onnx_case, RefusedCase):
        return onnx_case
    timeout, asked = request.config.option.onnx_timeout, request.config.stash[_ENGINES][onnx_case.case.name]
    engines, names = with_defaults(asked), tuple(asked)
    if isinstance(onnx_target, Path):
        return Conversion(onnx_case, GivenFile(onnx_target), engines, timeout, names)
    if onnx_case.case.file:
        return RefusedCase(onnx_case.case.name, f"give the file that was made of it as @{MARKER}(..., file=...)")
    if request.config.stash[_COUNT] > 1:
        warm_up(onnx_target.exporter)
    return exported(onnx_case, onnx_target.exporter, onnx_target.opset, engines, timeout, names)


@pytest.fixture
def onnx_check(request: pytest.FixtureRequest, onnx_conversion: Conversion | RefusedCase) -> Iterator[BoundCheck]:
    """The check that the test calls; its finding goes to the process that writes results.json."""
    config, node = request.config, request.node
    check, engine = request.param
    placed = onnx_conversion if isinstance(onnx_conversion, RefusedCase) else onnx_conversion.within(engine)
    bound = BoundCheck(check, placed, config.option.onnx_report, node.nodeid, config.stash[_REFUSALS])
    yield bound
    if isinstance(bound.conversion, RefusedCase):
        node.user_properties.append((REFUSED, msgspec.to_builtins(bound.conversion)))
    if bound.finding:
        place = node.callspec.indices["onnx_check"]
        found = Placed(place, bound.finding.result())
        node.user_properties.append((FINDING, msgspec.to_builtins(found)))
        if bound.finding.graph:
            config.stash[GRAPHS][bound.finding.graph.file] = msgspec.to_builtins(bound.finding.graph)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says so if pytest-xdist spread a case over several processes, each of which exports it."""
    places: dict[str, set[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, found in getattr(report, "user_properties", ()):
                if name == FINDING:
                    places.setdefault(found["finding"]["case"], set()).add(getattr(report, "worker_id", ""))
    again = sorted(case for case, workers in places.items() if len(workers) > 1)
    if again:
        is_asked = getattr(config.option, "dist", "") == "loadgroup"
        remedy = (
            "pytest-xdist 3.8 keeps groups with pytest<9.2 alone" if is_asked else "--dist loadgroup exports it once"
        )
        terminalreporter.write_line(f"onnxproof: each process exported {', '.join(again)}: {remedy}")


def _is_maker(case: Any) -> bool:
    from onnxproof.case import Case

    return callable(case) and not isinstance(case, Case)


def _known(config: pytest.Config, case: Any, given: Any) -> Case:
    """`case`, if it is a Case with a unique name: it tells apart ids, results and folders.

    A function that is `given` may make its case again: pytest sets up a fixture anew where other tests came between.
    Raises `CaseError` otherwise.
    """
    from onnxproof.case import Case, CaseError
    from onnxproof.locating.repro import folder_name

    if not isinstance(case, Case):
        raise CaseError(f"expected an onnxproof.Case, got {type(case).__name__}")
    giver, name = config.stash[_CASES].setdefault(folder_name(case.name), (given, case.name))
    if giver is not given:
        raise CaseError(f"two cases have the names {name} and {case.name}; give one another `name`")
    return case
