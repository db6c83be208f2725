"""A document's claims as a pytest run: which spec states which claim, where the installed stack departs, the verdicts.

A suite registers a `Ledger` with its claims and their exceptions. Specs carry `@pytest.mark.claim(id)`; a spec that
asserts what happens where a claim does not hold carries `@pytest.mark.instead(id)` and runs only there.
"""

import re
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import pytest

from onnxproof.claims import (
    ALL_EXPORTERS,
    DEPARTS,
    FAILING,
    GRAVEST_FIRST,
    HOLDS,
    NOT_APPLICABLE,
    Claim,
    Deviation,
    Evidence,
    NotApplicable,
    as_table,
    gravest,
)
from onnxproof.names import unknown

_EVIDENCE = "onnxproof-evidence"


class Ledger:
    """The plugin that joins specs, claims and departures; `verdicts` is filled while the run goes on.

    A spec of an unknown claim, a claim without a spec and an entry that matches none are an error of collection, which
    names them; an unknown `--claim` is a usage error.
    """

    def __init__(
        self,
        claims: Sequence[Claim],
        deviations: Sequence[Deviation] = (),
        not_applicable: Sequence[NotApplicable] = (),
    ) -> None:
        self.claims = {claim.id: claim for claim in claims}
        self.deviations = deviations
        self.not_applicable = not_applicable
        self.evidence: list[Evidence] = []

    # Collection

    def pytest_configure(self, config: pytest.Config) -> None:
        """Refuses a `--claim` that is none."""
        for id in config.option.claim or ():
            if id not in self.claims:
                raise pytest.UsageError(f"--claim: {unknown(id, self.claims)}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Applies the departures. A suite that does not fit its claims is an error of collection, which xdist knows."""
        problems = list(self._misfits(items, whole=_is_whole_suite(config) and not session.testsfailed))
        if problems:
            text = "the specs do not fit the claims:\n  " + "\n  ".join(problems)
            config.hook.pytest_collectreport(report=pytest.CollectReport("claims", "failed", text, []))
        for item in items:
            self._mark(item)
        left_out = [item for item in items if self._is_left_out(item, config.option.claim)]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in left_out]

    def _misfits(self, items: Sequence[pytest.Item], whole: bool) -> Iterator[str]:
        for item in items:
            for id in (*_ids(item, "claim"), *_ids(item, "instead")):
                if id not in self.claims:
                    yield f"{item.nodeid}: the claim {unknown(id, self.claims)}"
        entries: tuple[Deviation | NotApplicable, ...] = (*self.deviations, *self.not_applicable)
        for entry in entries:
            if entry.claim not in self.claims:
                yield f"the entry for {entry.reason!r}: the claim {unknown(entry.claim, self.claims)}"
        if not whole:
            return
        stated = {id for item in items for id in _ids(item, "claim")}
        yield from (f"claim {id!r} has no spec" for id in self.claims if id not in stated)
        exporters = {_exporter(item) for item in items if _ids(item, "claim")}
        for entry in entries:
            reachable = entry.when and (entry.exporter in exporters or entry.exporter == ALL_EXPORTERS)
            if reachable and not any(_applies(entry, item) for item in items):
                yield f"the entry for {entry.claim!r} matches no spec: {entry.reason}"
        for entry in self.deviations:
            if not any(entry.claim in _ids(item, "instead") and _name(item) == entry.instead for item in items):
                yield f"the entry for {entry.claim!r} names {entry.instead!r}, and no such spec is marked instead"

    def _mark(self, item: pytest.Item) -> None:
        for entry in self.not_applicable:
            if _applies(entry, item):
                item.add_marker(pytest.mark.skip(reason=entry.reason))
        for deviation in self.deviations:
            if _applies(deviation, item):
                item.add_marker(pytest.mark.xfail(reason=deviation.reason, raises=deviation.seen, strict=True))
        for id in (*_ids(item, "claim"), *_ids(item, "instead")):
            item.user_properties.append((_EVIDENCE, [id, _exporter(item), bool(_ids(item, "claim"))]))

    def _is_left_out(self, item: pytest.Item, asked: Sequence[str] | None) -> bool:
        stated, instead = _ids(item, "claim"), _ids(item, "instead")
        if asked and not set(asked) & {*stated, *instead}:
            return True
        entries = [entry for entry in self.deviations if entry.claim in instead]
        named = [entry for entry in entries if entry.instead == _name(item)]
        return bool(instead) and not any(_reaches(entry, item) for entry in named or entries)

    # Verdicts

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A departure is told by its reason: pytest's traceback would parse all sources on the way, torch's too."""
        option, style = item.config.option, item.config.option.tbstyle
        if call.excinfo and item.get_closest_marker("xfail"):
            option.tbstyle = "native"
        try:
            report = yield
        finally:
            option.tbstyle = style
        if call.excinfo and report.failed:
            report.longrepr = item.repr_failure(call.excinfo)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        for name, found in report.user_properties:
            if name == _EVIDENCE and isinstance(found, list | tuple):
                claim, exporter, states = found
                if states or report.failed:
                    self.evidence.append(Evidence(claim, exporter, *_verdict(report)))

    def verdicts(self) -> Mapping[str, Mapping[str, str]]:
        """The verdict of each claim that had a spec in this run, by claim and exporter: the gravest that was found."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for verdict in reversed(GRAVEST_FIRST):
            for evidence in self.evidence:
                if evidence.verdict == verdict:
                    found[evidence.claim][evidence.exporter] = verdict
        return {id: found[id] for id in self.claims if id in found}

    def as_results(self) -> list[dict[str, Any]]:
        """The claims with their verdicts and departures, for results.json."""
        departures = defaultdict(list)
        for entry in self._departures_seen():
            departures[entry.claim].append(
                {"exporter": entry.exporter, "reason": entry.reason, "instead": entry.instead, "link": entry.link}
            )
        return [
            {
                "id": id,
                "chapter": self.claims[id].chapter,
                "statement": self.claims[id].statement,
                "verdicts": dict(sorted(by_exporter.items())),
                "departures": departures[id],
                "not_applicable": sorted(
                    {e.reason for e in self.evidence if e.claim == id and e.verdict == NOT_APPLICABLE}
                ),
                "specs": sorted({e.spec for e in self.evidence if e.claim == id}),
            }
            for id, by_exporter in self.verdicts().items()
        ]

    def _departures_seen(self) -> list[Deviation]:
        seen = {(e.claim, e.exporter) for e in self.evidence if e.verdict == DEPARTS}
        reasons = {(e.claim, e.reason) for e in self.evidence if e.verdict == DEPARTS}
        return [
            entry
            for entry in self.deviations
            if (entry.claim, entry.reason) in reasons
            and (entry.exporter == ALL_EXPORTERS or (entry.claim, entry.exporter) in seen)
        ]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """A row a chapter, a column a verdict, and a line a departure."""
        verdicts = [(self.claims[id].chapter, gravest(found.values())) for id, found in self.verdicts().items()]
        if not verdicts:
            return
        terminalreporter.write_sep("=", "claims")
        terminalreporter.write_line(as_table(verdicts))
        for entry in self._departures_seen():
            where = f" ({entry.exporter})" if entry.exporter else ""
            terminalreporter.write_line(f"departs: {entry.claim}{where}: {entry.reason}")


def _is_whole_suite(config: pytest.Config) -> bool:
    """Whether the run collects all of `testpaths`; also true of its workers, which are given them as arguments."""
    if any(config.getoption(option, None) for option in ("lf", "ignore", "ignore_glob")):
        return False
    given = {(config.invocation_params.dir / argument).resolve() for argument in config.args}
    return given in ({(config.rootpath / path).resolve() for path in config.getini("testpaths")}, {config.rootpath})


def _ids(item: pytest.Item, marker: str) -> tuple[str, ...]:
    return tuple(id for mark in item.iter_markers(marker) for id in mark.args)


def _name(item: pytest.Item) -> str:
    return getattr(item, "originalname", None) or item.name


def _exporter(item: pytest.Item) -> str:
    """The exporter that a spec is parametrized with, under whatever name."""
    callspec = getattr(item, "callspec", None)
    values = callspec.params.values() if callspec else ()
    return next((value.exporter for value in values if hasattr(value, "exporter")), ALL_EXPORTERS)


def _reaches(entry: Deviation | NotApplicable, item: pytest.Item) -> bool:
    return entry.when and entry.exporter in (ALL_EXPORTERS, _exporter(item))


def _applies(entry: Deviation | NotApplicable, item: pytest.Item) -> bool:
    is_named = not entry.spec or entry.spec == _name(item)
    return is_named and entry.claim in _ids(item, "claim") and _reaches(entry, item)


def _verdict(report: pytest.TestReport) -> tuple[str, str, str]:
    if report.failed:
        return FAILING, report.nodeid, ""
    if hasattr(report, "wasxfail"):
        return DEPARTS, report.nodeid, re.sub(r"^reason: ", "", report.wasxfail)
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        return NOT_APPLICABLE, report.nodeid, reason.removeprefix("Skipped: ")
    return HOLDS, report.nodeid, ""
