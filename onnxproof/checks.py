"""The conversion checks, in their order: each has a stable id, and holds for any model."""

from collections.abc import Iterator

from onnxproof.conversion import Conversion
from onnxproof.file_checks import (
    dims_kept,
    exports,
    inputs_kept,
    opset_kept,
    outputs_kept,
    self_contained,
    shapes_honest,
    well_formed,
)
from onnxproof.findings import Check, Finding
from onnxproof.value_checks import (
    engines_agree,
    inputs_live,
    optimizer_neutral,
    probes_adequate,
    repeatable,
    same_values,
    same_values_unseen,
)

CHECKS: dict[str, Check] = {
    check.id: check
    for check in (
        exports,
        opset_kept,
        well_formed,
        inputs_kept,
        outputs_kept,
        dims_kept,
        inputs_live,
        same_values,
        same_values_unseen,
        shapes_honest,
        self_contained,
        optimizer_neutral,
        engines_agree,
        repeatable,
        probes_adequate,
    )
}


def findings(conversion: Conversion) -> Iterator[Finding]:
    """The finding of each check, one after the other. Raises `CaseError` for a case that cannot be checked."""
    return (check(conversion) for check in CHECKS.values())
