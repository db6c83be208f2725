"""The conversion checks in pytest: `@conversion_checks(Case(...))` makes a test of each check and exporter."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from onnxproof.names import unknown
from onnxproof.targets import targets

if TYPE_CHECKING:
    from onnxproof.case import Case
    from onnxproof.conversion import Conversion
    from onnxproof.findings import Check, Finding

FINDING = "onnxproof-finding"
MARKER = "conversion_checks"

_CASES = pytest.StashKey["dict[str, Case]"]()


def conversion_checks(*cases: "Case") -> pytest.MarkDecorator:
    """Makes of `def test_conversion(case, check): check(case)` a test of each case, exporter and check.

    A check that a case expects to fail is a strict xfail; one that has nothing to judge is skipped with the reason.
    With `--report DIR` each failure leaves `DIR/repro/…` with the file, the arrays and a script. What is no `Case`, an
    unknown check in its `expected`, two cases of one name in a run, and a function of other arguments are a usage
    error, which stops the run.
    """
    return getattr(pytest.mark, MARKER)(*cases)  # type: ignore[no-any-return]


@dataclass
class BoundCheck:
    """The `check` that a test calls with its `case`."""

    check: "Check"
    report: str | None
    finding: "Finding | None" = None

    def __call__(self, case: "Conversion") -> None:
        """Passes, fails with what was seen, where, and what to do, is skipped, or is the failure that was expected."""
        __tracebackhide__ = True
        from onnxproof.case import CaseError
        from onnxproof.findings import EXPECTED, FAILS, NOT_JUDGED

        try:
            self.finding = found = self.check(case)
        except CaseError as error:
            pytest.fail(f"{case!r}: {error}", pytrace=False)
        if found.verdict == NOT_JUDGED:
            pytest.skip(f"{found.check}: {found.problem}")
        if found.verdict == EXPECTED:
            pytest.xfail(f"{found.advice}; {found.problem}")
        if found.verdict == FAILS:
            from onnxproof.repro import write_repro

            folder, obstacle = None, ""
            try:
                folder = write_repro(Path(self.report), case, found) if self.report else None
            except OSError as error:
                obstacle = f"\n→ {self.report} cannot take a script that shows it: {error.strerror}"
            pytest.fail(told(case, found, folder) + obstacle, pytrace=False)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_CASES] = {}
    config.addinivalue_line("markers", f"{MARKER}(*cases): runs each check on each case, with each exporter")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`case` is a conversion by each exporter, `check` each of the checks."""
    marker = metafunc.definition.get_closest_marker(MARKER)
    if marker is None:
        return
    from onnxproof.case import CaseError
    from onnxproof.checks import CHECKS
    from onnxproof.conversion import Conversion
    from onnxproof.original import Original

    if not {"case", "check"} <= set(metafunc.fixturenames):
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: write def {metafunc.function.__name__}(case, check)")
    try:
        cases = [known(case) for case in marker.args]
        _refuse_twins(cases, metafunc.config.stash[_CASES])
    except CaseError as error:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: {error}") from error
    made = [
        pytest.param(
            Conversion(original, exporter=target.exporter, opset=target.opset),
            id=f"{original.case.name}-{target}",
        )
        for original in map(Original, cases)
        for target in targets(metafunc.config)
    ]
    checks = [pytest.param(BoundCheck(check, metafunc.config.option.report), id=id) for id, check in CHECKS.items()]
    metafunc.parametrize("check", checks)
    metafunc.parametrize("case", made)


def known(case: Any) -> "Case":
    """`case`, if it is one, and the checks that it expects to fail exist. Raises `CaseError`."""
    from onnxproof.case import Case, CaseError
    from onnxproof.checks import CHECKS

    if not isinstance(case, Case):
        raise CaseError(f"a {type(case).__name__} is no onnxproof.Case")
    strange = [id for id in case.expected if id not in CHECKS]
    if strange:
        raise CaseError(f"{case.name}: the expected check {unknown(strange[0], CHECKS)}")
    return case


def _refuse_twins(cases: "Iterable[Case]", by_name: "dict[str, Case]") -> None:
    """Raises `CaseError` for a case with another one's name: test ids, results and folders are told apart by it."""
    from onnxproof.case import CaseError
    from onnxproof.repro import folder_name

    for case in cases:
        other = by_name.setdefault(folder_name(case.name), case)
        if other is not case:
            raise CaseError(f"the names of two cases are {other.name} and {case.name}; give one a `name` of its own")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Hands the finding to the process that writes results.json."""
    bound = getattr(item, "callspec", None) and item.callspec.params.get("check")  # type: ignore[attr-defined]
    if isinstance(bound, BoundCheck) and bound.finding:
        conversion: Conversion = item.callspec.params["case"]  # type: ignore[attr-defined]
        item.user_properties.append((FINDING, as_result(conversion, bound.finding)))
        bound.finding = None
    return (yield)


def told(conversion: "Conversion", finding: "Finding", repro: Path | None) -> str:
    """What fails, what to do, and the script that shows it where a folder was left."""
    script = f"\n→ python {repro / 'repro.py'}" if repro else ""
    return f"{conversion!r}: {finding.check}: {finding.problem}\n→ {finding.advice}{script}"


def as_result(conversion: "Conversion", finding: "Finding") -> dict[str, Any]:
    """A finding for results.json and `--json`."""
    return {
        "case": conversion.case.name,
        "exporter": "" if conversion.given else conversion.exporter,
        "file": str(conversion.given) if conversion.given else "",
        "opset": conversion.opset,
        "check": finding.check,
        "verdict": finding.verdict,
        "figure": finding.figure,
        "problem": finding.problem,
        "advice": finding.advice,
    }
