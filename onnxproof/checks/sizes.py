"""The sizes that a file was judged at, for `probes-adequate`."""

from collections.abc import Iterable
from typing import Any

from onnxproof.checks.check import CheckError
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.sizes import SizeTrials


def judged_sizes(conversion: Conversion) -> list[str]:
    """What limits the sizes that a file was judged at.

    Raises `CheckError` if the model refuses a promised size, or a dimension was seen at no other size above 1.
    """
    trials, judged = conversion.model.sizes, conversion.model.judged
    _require_promise(trials)
    seen = {symbol: {j.probe.sizes[symbol] for j in judged} for symbol in conversion.case.sizes}
    alone = [symbol for symbol, own in conversion.case.sizes.items() if not seen[symbol] - {1, own}]
    if alone:
        tried = (f"{symbol} = {_listed(seen[symbol])}{_refusal(trials.refused_alone(symbol))}" for symbol in alone)
        raise CheckError(
            f"of the sizes tried, the model accepts only {'; '.join(tried)}",
            f"Leave {', '.join(alone)} out of `dynamic` if the model takes no other, or give others in `also`.",
        )
    twos = [f"{symbol} {_listed(sizes)} alone" for symbol, sizes in seen.items() if len(sizes) == 2]
    return [*(f"{', '.join(symbols)} in {rule}" for rule, symbols in trials.rules.items()), *twos]


def _require_promise(trials: SizeTrials[Any]) -> None:
    dims = trials.case.dims
    alone = {symbol: [sizes[symbol] for sizes in trials.broken.get((symbol,), [])] for symbol in dims}
    refused = {symbol: sizes for symbol, sizes in alone.items() if sizes}
    if refused:
        told = (f"{symbol} = {_listed(sizes)} of {dims[symbol].promise}" for symbol, sizes in refused.items())
        raise CheckError(
            f"the model refuses promised sizes: {'; '.join(told)}",
            f"Promise the sizes that the model takes{_multiples(trials, refused)}.",
        )
    if trials.broken:
        first = next(iter(trials.broken.values()))[0]
        together = ", ".join(f"{symbol} = {size}" for symbol, size in first.items())
        raise CheckError(
            f"the model refuses promised sizes: {together} together", "Promise sizes that the model takes together."
        )


def _multiples(trials: SizeTrials[Any], symbols: Iterable[str]) -> str:
    """The multiples that the model was seen to take, as arguments of a `Dim`; "" if they explain nothing."""
    rules = {symbol: trials.rule(symbol) for symbol in symbols}
    found = {
        symbol: divisor
        for symbol, (divisor, remainder) in rules.items()
        if divisor > trials.case.dims[symbol].multiple_of and not remainder
    }
    told = ", ".join(f"`multiple_of={divisor}` for {symbol}" for symbol, divisor in found.items())
    return f": {told}" if told else ""


def _refusal(sizes: list[int]) -> str:
    return f" (not {_listed(sizes)})" if sizes else ""


def _listed(sizes: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(sizes)))
