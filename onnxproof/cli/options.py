"""Options that several sub-commands have."""

from typing import Any

from onnxproof._internal.forked import SECONDS
from onnxproof._internal.names import one_of
from onnxproof.probing.budget import SECONDS as BUDGET
from onnxproof.versions import EXPORTERS


def add_conversion(parser: Any) -> None:
    """What is checked: a case, and its file or how it is exported."""
    parser.add_argument(
        "case",
        metavar="CASE",
        help="a Case, or a function that makes one, for example my_models.py:my_case or package.module:name",
    )
    parser.add_argument(
        "--onnx", metavar="FILE", help="check this file, for example --onnx model.onnx (default: export the case)"
    )
    parser.add_argument(
        "--exporter",
        type=one_of(EXPORTERS),
        metavar="NAME",
        action="append",
        help=f"export with this one only, {' or '.join(EXPORTERS)}, for example --exporter torchscript; may be "
        "repeated (default: every exporter of the installed torch)",
    )
    parser.add_argument(
        "--opset",
        type=int,
        metavar="N",
        help="export at this opset, or hold the file to it, for example --opset 18 (default: torch's)",
    )


def add_options_of_checks(parser: Any) -> None:
    """Which checks run, the loss that is accepted, and what is left behind."""
    parser.add_argument(
        "--only",
        metavar="CHECK",
        action="append",
        help="run this check only, for example --only same-values; may be repeated (default: all of them)",
    )
    parser.add_argument(
        "--skip",
        metavar="CHECK",
        action="append",
        default=[],
        help="leave this check out, for example --skip repeatable; may be repeated (default: none)",
    )
    parser.add_argument(
        "--loss",
        metavar="TEXT",
        help='accept this loss of a float16, bfloat16 or int8 file, for example --loss "agrees >= 99%%" or '
        '--loss "sqnr >= 30 dB in 95%%", see docs/loss.md (default: that of the case, or none)',
    )
    parser.add_argument(
        "--samples",
        metavar="DIR",
        help="judge the loss on the .npz files in this folder, a few hundred, each with an array for each input by "
        "name, for example --samples pictures (default: the case's)",
    )
    parser.add_argument(
        "--where",
        action="store_true",
        help="list the nodes of a float16, bfloat16 or int8 file by what restoring each to float would gain (default: "
        "off)",
    )
    parser.add_argument(
        "--check",
        metavar="FUNCTION",
        action="append",
        default=[],
        help="run a check of yours too, for example --check my_checks.py:no_float64; may be repeated (default: none)",
    )
    add_limits(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print a results.json, for example --json > results.json (default: a table)",
    )
    parser.add_argument(
        "--report",
        metavar="DIR",
        help="leave results.json, a page about it, and a script that shows each failure in this folder, for example "
        "--report report (default: leave nothing)",
    )


def add_limits(parser: Any) -> None:
    """Where the file runs, and what a run may cost."""
    parser.add_argument(
        "--engine",
        metavar="NAME",
        action="append",
        default=[],
        help="run each check of values in this engine, which `onnxproof engines` lists, for example --engine openvino "
        "or --engine onnxruntime:CUDAExecutionProvider; may be repeated (default: those of the case, or onnxruntime)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=SECONDS,
        metavar="SECONDS",
        help="end an export, or a run in an engine, that takes longer, for example --timeout 60; 0 is no limit, and no "
        "process of their own, for a debugger (default: %(default)g)",
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=BUDGET,
        metavar="SECONDS",
        help="spend this much on inputs besides the example, counted in operations, so that every machine judges the "
        "same, for example --budget 60 (default: %(default)g)",
    )
    parser.add_argument("--thorough", action="store_true", help="leave nothing out, whatever it costs (default: off)")
