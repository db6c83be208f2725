"""docs/faults.md, made of docs/faults.json."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from docs.markdown import listed, stack, table_row
from onnxproof.fault_results import ALIKE, CAUGHT, MISSED, NOT_ASKED, FaultRow, Faults, GoodRow, fault_lines, mark

RESULTS, PAGE = (Path(__file__).parent / f"faults.{ending}" for ending in ("json", "md"))

PEERS = {
    "verify": "`verify=True`",
    "assert_onnx_program": "`assert_onnx_program`",
    "allclose": "`numpy.allclose`",
    "polygraphy": "Polygraphy",
    "cosine": "cosine",
    "psnr": "PSNR",
}

HEAD = """# What catches which fault

Each row is a known way to break a conversion. The checks of onnxproof that catch it are named, the one that the fault
is meant for in bold; beside them is what other tools say of the same file. A file fault is applied to those of these
files that have what it breaks: {files}.
A model fault goes wrong in the exporter that is named.

✓ caught · ✗ missed · ≈ rejected, and the good file in the same way, which tells nothing · – cannot be asked.
“✓ 2 of 3” counts the files that a fault was applied to.

Made by `tox -e fault-table` from one run, with {versions}.
The reason for each mark is in [faults.json](faults.json). The proof itself, without the other tools, is `tox -e proof`.
"""

HOW = """## How each was asked

All but onnxproof are asked about the traced inputs: that is what they judge, or what a script that uses them has.

- **onnxproof**: all its checks; a fault is caught when one fails. On the files of torchscript `shapes-honest` fails
  already, which these cases expect, so its faults are not applied to them: an expected failure hides others of its
  check.
- **`torch.onnx.export(verify=True)`**: asked of torch.export alone, and of no file that exists already. It raised on
  no conversion. Counted as caught is what it says at `verbose=True`: “large absolute difference” (from 5e-3), “large
  relative difference” (from 0.1), or ❌.
- **`torch.onnx.testing.assert_onnx_program`**: with its defaults, but for the capture strategy, which is not asserted.
  For a file fault the program's model is replaced by the broken file. It compares with the exporter's own copy of the
  model, as `verify=True` does.
- **`numpy.allclose`**: with its defaults, the model's outputs against the file's in ONNX Runtime, in pairs by position.
  A file that ONNX Runtime refuses is caught.
- **Polygraphy**: `Comparator.compare_accuracy` with its defaults, the good file against the broken one, both in ONNX
  Runtime, as `polygraphy run` does; where there is no good file, the model's outputs against the file's. It takes no
  bfloat16 arrays.
- **cosine**: at least 0.999 for each output. **PSNR**: at least 30 dB, the peak being the range of the model's output.

Where the exporter itself refuses the model there is no file, which each of them notices.
"""

UNSEEN = """## What the traced inputs cannot show

On the traced inputs these give what the model gives, up to rounding, on one of the files at least: a comparison of
values on them finds nothing, or another difference.
"""

REASONS = {
    "opset-kept": "the values are right, the header is not what was asked for",
    "well-formed": "ONNX Runtime reads it all the same, and gives the right values",
    "inputs-kept": "the traced value of the input is in the file, and shows when another is given",
    "outputs-kept": "the values are right, and what is fixed about them is not",
    "dims-kept": "it is right at the traced sizes, and takes no others",
    "inputs-live": "it is right on the traced inputs, and stays so when they change",
    "same-values-unseen": "it is right on the traced inputs, and wrong on others",
    "shapes-honest": "the values are right, the declared dimensions are not",
    "self-contained": "it runs here, and not elsewhere",
    "optimizer-neutral": "ONNX Runtime's optimizer, which is on by default, takes the fault out",
    "engines-agree": "ONNX Runtime does not do what the file says, other engines do",
    "repeatable": "it gives the right values once, and the model others the next time",
    "probes-adequate": "nothing is broken: these inputs could not show it if it were",
}


def render(found: Faults) -> str:
    """The page, of what a run found."""
    faults = found["faults"]
    good = {row["id"]: row for row in found["good"]}
    kinds = {kind: [row for row in faults if row["kind"] == kind] for kind in ("file", "model")}
    files = sorted({row["on"] for row in kinds["file"]})
    parts = [
        HEAD.format(files=listed([f"`{name}`" for name in files]), versions=stack(found["versions"])),
        "## Faults of a file\n",
        *_table(kinds["file"], good),
        "\n## Faults of a model's conversion\n",
        *_table(kinds["model"], good),
        "\n## Kill rate and false alarms\n",
        *_rates(faults, found["good"], good),
        HOW,
        UNSEEN,
        *_unseen(faults),
        "",
        *_uncaught(faults),
    ]
    return "\n".join(parts) + "\n"


def _table(rows: Sequence[FaultRow], good: Mapping[str, GoodRow]) -> Iterator[str]:
    yield f"| fault | | on | onnxproof | {' | '.join(PEERS.values())} |"
    yield f"| --- | --- | --- | --- |{' :-: |' * len(PEERS)}"
    for line in fault_lines(rows, PEERS, good):
        named = f"**{line.named}**" if line.is_caught else f"{MISSED} {line.named}"
        checks = ", ".join([named, *line.others])
        yield table_row([f"`{line.id}`", line.sentence, line.place, checks, *line.marks])


def _rates(faults: Sequence[FaultRow], conversions: Sequence[GoodRow], good: Mapping[str, GoodRow]) -> Iterator[str]:
    yield "| | asked | caught | kill rate | rejects the good file too | false alarms on good conversions |"
    yield "| --- | --: | --: | --: | --: | --: |"
    named = sum(row["caught_by"] in row["checks"] for row in faults)
    alarms = sum(bool(row["checks"]) for row in conversions)
    rate = _percent(named, len(faults))
    yield table_row(["onnxproof", len(faults), named, rate, 0, f"{alarms} of {len(conversions)}"])
    for peer, title in PEERS.items():
        marks = [said for row in faults if (said := mark(row, peer, good)) != NOT_ASKED]
        caught = marks.count(CAUGHT)
        judged = [row["peers"][peer] for row in conversions if row["peers"][peer] is not None]
        figures = [title, len(marks), caught, _percent(caught, len(marks)), marks.count(ALIKE)]
        yield table_row([*figures, f"{sum(map(bool, judged))} of {len(judged)}"])
    yield ""
    yield "Counted are pairs of a fault and a file or an exporter. onnxproof's catches are those of the check that the"
    yield "fault is named for. Among the good conversions are the files that the faults are applied to."
    yield ""
    yield "The false alarms:"
    yield ""
    yield f"- onnxproof: {_alarms(row['id'] for row in conversions if row['checks'])}"
    for peer, title in PEERS.items():
        yield f"- {title}: {_alarms(row['id'] for row in conversions if row['peers'][peer])}"
    yield ""


def _alarms(ids: Iterator[str]) -> str:
    return ", ".join(ids) or "none"


def is_unseen(row: FaultRow) -> bool:
    """Whether the broken file runs on the traced inputs, and gives what the model gives."""
    return row["peers"]["cosine"] == "" and "same-values" not in row["checks"]


def _unseen(faults: Sequence[FaultRow]) -> Iterator[str]:
    unseen = [row for row in faults if is_unseen(row)]
    for check, reason in REASONS.items():
        ids = dict.fromkeys(f"`{row['id']}`" for row in unseen if row["caught_by"] == check)
        if ids:
            yield f"- {', '.join(ids)}: {reason} ({check})."


def _uncaught(faults: Sequence[FaultRow]) -> Iterator[str]:
    uncaught = [f"`{row['id']}` on {row['on']}" for row in faults if not row["checks"]]
    yield f"Caught by no check of onnxproof: {', '.join(uncaught) or 'none'}."


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else NOT_ASKED
