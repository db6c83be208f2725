"""The claims of a document in a pytest run: specs state them, deviations excuse them, and each gets a verdict.

A spec is a test with `@pytest.mark.claim(id)`. A test with `@pytest.mark.instead(id)` asserts what happens where the
claim does not hold, and runs only there.
"""

from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from onnxproof._internal.names import unknown
from onnxproof.claims.claim import ALL_EXPORTERS, Claim, Deviation, NotApplicable, SpecVerdict, as_table
from onnxproof.results import ClaimResult, ClaimVerdict, Departure, Target, gravest

_EVIDENCE = "onnxproof-evidence"


@dataclass(frozen=True)
class Spec:
    """A collected test, with the claims that its markers name and the exporter that it is parametrized with."""

    item: pytest.Item
    name: str
    exporter: str
    claims: tuple[str, ...]
    instead: tuple[str, ...]

    @classmethod
    def of(cls, item: pytest.Item) -> "Spec":
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        return cls(
            item,
            getattr(item, "originalname", None) or item.name,
            next((value.exporter for value in parameters if isinstance(value, Target)), ALL_EXPORTERS),
            claims=tuple(id for mark in item.iter_markers("claim") for id in mark.args),
            instead=tuple(id for mark in item.iter_markers("instead") for id in mark.args),
        )

    def is_reached_by(self, entry: Deviation | NotApplicable) -> bool:
        """Whether the entry applies to the installed stack and to the exporter of this spec."""
        return entry.when and entry.exporter in (ALL_EXPORTERS, self.exporter)

    def is_excused_by(self, entry: Deviation | NotApplicable) -> bool:
        """Whether this spec states the claim of an entry that applies to it."""
        return entry.claim in self.claims and entry.spec in ("", self.name) and self.is_reached_by(entry)


def spec_id(item: pytest.Item) -> str:
    """A test's id as pytest's command line takes it: pytest-xdist writes its group behind it, as `@name`."""
    *_, parent, _ = item.listchain()
    return f"{parent.nodeid}::{item.name}"


class Ledger:
    """A pytest plugin that checks a document's claims, and where the installed stack departs from them.

    A suite registers it in `pytest_configure`. Collection fails with a list of what does not fit: a spec or an entry
    of an unknown claim, a claim without a spec, an entry without a spec. An unknown `--onnx-claim` is a usage error.

    `claims` has each claim by its id. `verdicts()` and `as_results()` give what the run has found so far, in the
    process that pytest-xdist's workers report to.
    """

    def __init__(
        self,
        claims: Sequence[Claim],
        deviations: Sequence[Deviation] = (),
        not_applicable: Sequence[NotApplicable] = (),
    ) -> None:
        self.claims = {claim.id: claim for claim in claims}
        self._deviations = deviations
        self._not_applicable = not_applicable
        self._entries: tuple[Deviation | NotApplicable, ...] = (*deviations, *not_applicable)
        self._evidence: list[SpecVerdict] = []

    # Collection

    def pytest_configure(self, config: pytest.Config) -> None:
        """Refuses an unknown `--onnx-claim`."""
        for id in config.option.onnx_claim or ():
            if id not in self.claims:
                raise pytest.UsageError(f"--onnx-claim: {unknown(id, self.claims)}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Marks and selects the specs. Misfits are a collection error, which a worker of pytest-xdist passes on."""
        specs = [Spec.of(item) for item in items]
        is_whole = _is_whole_suite(config) and not session.testsfailed
        if problems := [*self._unknown_claims(specs), *(self._gaps(specs) if is_whole else ())]:
            text = "\n  ".join(["the specs do not fit the claims:", *problems])
            config.hook.pytest_collectreport(report=pytest.CollectReport("claims", "failed", text, []))
        self._mark(specs)
        if left_out := dict.fromkeys(self._left_out(specs, config.option.onnx_claim)):
            config.hook.pytest_deselected(items=list(left_out))
            items[:] = [item for item in items if item not in left_out]

    def _unknown_claims(self, specs: list[Spec]) -> Iterator[str]:
        """What names a claim that the document does not have."""
        named = [(spec.item.nodeid, id) for spec in specs for id in (*spec.claims, *spec.instead)]
        named += [(f"the entry for {entry.reason!r}", entry.claim) for entry in self._entries]
        yield from (f"{place}: the claim {unknown(id, self.claims)}" for place, id in named if id not in self.claims)

    def _gaps(self, specs: list[Spec]) -> Iterator[str]:
        """Claims and entries that no spec of the whole suite answers to."""
        stated = {id for spec in specs for id in spec.claims}
        yield from (f"claim {id!r} has no spec" for id in self.claims if id not in stated)
        exporters = {ALL_EXPORTERS, *(spec.exporter for spec in specs if spec.claims)}
        for entry in self._entries:
            is_reachable = entry.when and entry.exporter in exporters
            if is_reachable and not any(spec.is_excused_by(entry) for spec in specs):
                yield f"the entry for {entry.claim!r} matches no spec: {entry.reason}"
        for entry in self._deviations:
            named = [spec for spec in specs if entry.claim in spec.instead and entry.instead == spec.name]
            if not named:
                yield f"the entry for {entry.claim!r} names {entry.instead!r}, and no such spec is marked instead"
            elif entry.when and entry.exporter in exporters and not any(spec.is_reached_by(entry) for spec in named):
                yield f"the entry for {entry.claim!r} names {entry.instead!r}, which does not run with {entry.exporter}"

    def _mark(self, specs: list[Spec]) -> None:
        """Skips and expects to fail what the entries excuse, and notes on each item what it is evidence of."""
        for spec in specs:
            for entry in filter(spec.is_excused_by, self._not_applicable):
                spec.item.add_marker(pytest.mark.skip(reason=entry.reason))
            for deviation in filter(spec.is_excused_by, self._deviations):
                mark = pytest.mark.xfail(reason=deviation.reason, raises=deviation.seen, strict=True)
                spec.item.add_marker(mark)
            for id in (*spec.claims, *spec.instead):
                evidence = [id, spec.exporter, spec_id(spec.item), bool(spec.claims)]
                spec.item.user_properties.append((_EVIDENCE, evidence))

    def _left_out(self, specs: list[Spec], asked: Sequence[str] | None) -> Iterator[pytest.Item]:
        """Specs of claims that were not asked for, and specs of what happens instead of a claim that holds here."""
        for spec in specs:
            entries = [entry for entry in self._deviations if entry.claim in spec.instead]
            entries = [entry for entry in entries if entry.instead == spec.name] or entries
            claim_holds = spec.instead and not any(map(spec.is_reached_by, entries))
            if claim_holds or (asked and not {*asked} & {*spec.claims, *spec.instead}):
                yield spec.item

    # Verdicts

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Spares an xfail the traceback that nobody sees: pytest would parse every source on its way, torch's too."""
        if not call.excinfo or not item.get_closest_marker("xfail"):
            return (yield)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(item.config.option, "tbstyle", "native")
            report = yield
        if report.failed:
            report.longrepr = item.repr_failure(call.excinfo)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collects the verdict of each spec. What happens instead of a claim is evidence only where it fails."""
        if report.when != "call" and report.passed:
            return
        for name, found in report.user_properties:
            if name == _EVIDENCE and isinstance(found, list | tuple):
                id, exporter, spec, states_the_claim = found
                if states_the_claim or report.failed:
                    verdict, reason = _verdict(report)
                    self._evidence.append(SpecVerdict(id, exporter, verdict, spec, reason))

    def verdicts(self) -> Mapping[str, Mapping[str, ClaimVerdict]]:
        """The verdict on each claim that had a spec in this run, by claim and exporter: the gravest of its specs."""
        found: dict[str, dict[str, list[ClaimVerdict]]] = defaultdict(lambda: defaultdict(list))
        for each in self._evidence:
            found[each.claim][each.exporter].append(each.verdict)
        known = [id for id in self.claims if id in found]
        return {id: {exporter: gravest(verdicts) for exporter, verdicts in found[id].items()} for id in known}

    def as_results(self) -> list[ClaimResult]:
        """The claims with their verdicts and departures, for results.json."""
        return [self._result(self.claims[id], verdicts) for id, verdicts in self.verdicts().items()]

    def _result(self, claim: Claim, verdicts: Mapping[str, ClaimVerdict]) -> ClaimResult:
        evidence = [each for each in self._evidence if each.claim == claim.id]
        departures = [entry for entry in self._departures() if entry.claim == claim.id]
        return ClaimResult(
            claim.id,
            claim.chapter,
            claim.statement,
            dict(sorted(verdicts.items())),
            [Departure(entry.exporter, entry.reason, entry.instead, entry.link) for entry in departures],
            sorted({each.reason for each in evidence if each.verdict == ClaimVerdict.NOT_APPLICABLE}),
            sorted({each.spec for each in evidence}),
        )

    def _departures(self) -> list[Deviation]:
        """The deviations that this run has met."""
        met = {(e.claim, e.reason, e.exporter) for e in self._evidence if e.verdict == ClaimVerdict.DEPARTS}
        met |= {(claim, reason, ALL_EXPORTERS) for claim, reason, _ in met}
        return [entry for entry in self._deviations if (entry.claim, entry.reason, entry.exporter) in met]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Shows a table with a row per chapter and a column per verdict, and a line per departure."""
        verdicts = [(self.claims[id].chapter, gravest(found.values())) for id, found in self.verdicts().items()]
        if not verdicts:
            return
        terminalreporter.write_sep("=", "claims")
        terminalreporter.write_line(as_table(verdicts))
        for entry in self._departures():
            where = f" ({entry.exporter})" if entry.exporter else ""
            terminalreporter.write_line(f"departs: {entry.claim}{where}: {entry.reason}")


def _is_whole_suite(config: pytest.Config) -> bool:
    """Whether the run collects all of `testpaths`. A worker of pytest-xdist gets them as arguments."""
    if any(config.getoption(option, None) for option in ("lf", "ignore", "ignore_glob")):
        return False
    given = {(config.invocation_params.dir / argument).resolve() for argument in config.args}
    return given in ({(config.rootpath / path).resolve() for path in config.getini("testpaths")}, {config.rootpath})


def _verdict(report: pytest.TestReport) -> tuple[ClaimVerdict, str]:
    """The verdict of a spec, and the reason for an xfail or a skip."""
    if report.failed:
        return ClaimVerdict.FAILING, ""
    if hasattr(report, "wasxfail"):
        return ClaimVerdict.DEPARTS, report.wasxfail.removeprefix("reason: ")
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        return ClaimVerdict.NOT_APPLICABLE, reason.removeprefix("Skipped: ")
    return ClaimVerdict.HOLDS, ""
