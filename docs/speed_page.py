"""docs/speed.md, made of docs/speed.json, and the README's sentence about speed."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.contenders import BASELINE
from benchmarks.test_operator import ASSERTED, LARGEST_SIDE, TIMES_COST, TIMES_RESIZE
from benchmarks.test_operator_network import PLAIN, TIMES_DOCUMENT, TIMES_TORCH
from docs.markdown import stack, table_row
from onnxproof.latency import Ratio

RESULTS, PAGE = (Path(__file__).parent / f"speed.{ending}" for ending in ("json", "md"))

ALONE, NETWORK, LAST_LAYER, GROWING = "operator-x{factor}-{size}", "network-x3-256", "last-layer-x3-256", "operator-x3"
LARGEST_DIFFERENCE = 2e-3
"""Of 0..255; tests/test_separable.py asserts it."""

NETWORKS = {
    "onnxruntime": "the document's file in ONNX Runtime",
    "torch": "torch, eager",
    "torch-channels_last": "torch, channels_last",
    "torch.compile": "torch.compile",
    "opencv": "the document's file in OpenCV",
    "openvino": "the document's file in OpenVINO",
    "separable": "the separable file in ONNX Runtime",
    "separable-transposed": "the same with the transposed last layer",
}

HEAD = """# How fast the separable operator is

`SeparableSuperResolutionNet` has the document's operator as a Gather of four rows and a weighted sum along each axis,
in place of a Resize. Its file runs in ONNX Runtime here, and is compared with what else there is.

Made by `tox -e speed-table` from one run, with {versions}.
The machine has {cores} cores ({cpu}), all of them used; other work took {others} of them meanwhile, from which those
suffer most whose threads wait for each other. All seconds are in [speed.json](speed.json).
`tox -e benchmarks -- -k test_operator` measures again, and fails where a measure is not met in the median.

A time is a median. A multiple is the median of per-round ratios, with its bootstrap 95 % interval: every round times
all contenders once, in an order that rotates. All give the same output within the float rung, or nothing is timed.
Milliseconds of different tables are not to be compared.
"""

OPERATOR = f"""## The operator alone

Three channels, in files of the operator alone; torch is `interpolate`, on arrays that are not copied. Pictures larger
than {LARGEST_SIDE} pixels are left out (×4 of 1024×1024): one of 4096 takes Resize six seconds, in every round.
"""

WHOLE = """## The whole network

The face, 256×256, at ×3. The document's file is the one with the factor as an input.
"""

LAYER = """## The last layer

The same network and the same picture, with the plain last convolution and with a transposed one that has the same
numbers. `with_transposed_reconstruction` makes it of a network, where that is asked for at export: ONNX Runtime is what
it helps, and how much depends on the threads.
"""

GROWTH = """## The cost of a pixel

The operator at ×3, all sizes in the same rounds.
"""


def render(found: Mapping[str, Any]) -> str:
    """The page, of what a run found."""
    machine = found["machine"]
    others = f"{machine['other_work']:.2f}"
    versions = stack(found["environment"])
    parts = [
        HEAD.format(versions=versions, cores=machine["cores"], cpu=machine["cpu"], others=others),
        "## What is met\n",
        table_row(["measure", "asked", "measured", "met"]),
        table_row(["---"] * 4),
        *map(table_row, measures(found)),
        "\n" + OPERATOR,
        *_operator(found),
        "\n" + WHOLE,
        *_network(found),
        "\n" + LAYER,
        *_last_layer(found),
        "\n" + GROWTH,
        *_growth(found),
    ]
    return "\n".join(parts) + "\n"


def summary(found: Mapping[str, Any]) -> str:
    """What the README says of the figures."""
    difference, edges = _face(found)
    resize = _ratio(case(found, ALONE.format(factor=3, size=256)), "resize")
    document = _ratio(case(found, NETWORK), BASELINE)
    return (
        f"its ×3 face differs from torch's by at most {difference:.2g} of 255 ({edges} values "
        f"at truncation edges). At 256×256 ×3 on {found['machine']['cores']} cores Resize takes "
        f"{_text(resize)} times as long as its operator, and the document's file {_text(document)} times as long as "
        "its network (with 95 % intervals)."
    )


def measures(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """What was asked for: the measure, the bound, what was measured, and whether that is within."""
    for contender, times in (("resize", TIMES_RESIZE), ("torch", 1)):
        for size, factor in ASSERTED:
            ratio = _ratio(case(found, ALONE.format(factor=factor, size=size)), contender)
            name = f"{contender.replace('resize', 'Resize')} takes, {size}×{size} ×{factor}"
            yield name, f"at least {times} × the operator's time", _text(ratio), met(ratio, least=times)
    for contender, times in ((BASELINE, TIMES_DOCUMENT), ("torch", TIMES_TORCH)):
        ratio = _ratio(case(found, NETWORK), contender)
        name = f"{NETWORKS[contender]}, takes"
        yield name, f"at least {times} × the network's time", _text(ratio), met(ratio, least=times)
    cost = max(found["costs"], key=lambda cost: cost["ratio"]["median"])
    name = f"an output pixel costs, at most: at {cost['size']}² against {cost['of']}²"
    yield name, f"at most {TIMES_COST} ×", _text(cost["ratio"]), met(cost["ratio"], most=TIMES_COST)
    difference, edges = _face(found)
    near = "yes" if difference <= LARGEST_DIFFERENCE else "no"
    yield "the face at ×3 differs from torch's by", f"at most {LARGEST_DIFFERENCE} of 255", f"{difference:.2g}", near
    documents = _timings(case(found, NETWORK))[BASELINE]["pixels"]["edges"]
    as_many = "yes" if edges <= documents else "no"
    yield "its values at truncation edges", f"at most the document's {documents}", str(edges), as_many


def met(ratio: Mapping[str, float], least: float = 0, most: float = float("inf")) -> str:
    """Whether a ratio is within its bounds, and whether its interval is."""
    if not least <= ratio["median"] <= most:
        return "no"
    return "yes" if least <= ratio["low"] and ratio["high"] <= most else "in the median, not in the whole interval"


def case(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What was timed together under a name."""
    return next(timed for timed in found["latency"] if timed["case"] == name)


def _operator(found: Mapping[str, Any]) -> Iterator[str]:
    yield table_row(["picture", "factor", "the operator, ms", "Resize takes", "torch takes"])
    yield table_row(["---", "---", "--:", "--:", "--:"])
    alone = [re.fullmatch(r"operator-x(.+)-(\d+)", timed["case"]) for timed in found["latency"]]
    for size, factor in sorted((int(name[2]), float(name[1])) for name in alone if name):
        timed = case(found, ALONE.format(factor=f"{factor:g}", size=size))
        multiples = [_text(_ratio(timed, contender)) for contender in ("resize", "torch")]
        yield table_row([f"{size}×{size}", f"×{factor:g}", _milliseconds(_timings(timed)["separable"]), *multiples])


def _network(found: Mapping[str, Any]) -> Iterator[str]:
    timed = case(found, NETWORK)
    yield table_row(["network", "ms", "as a multiple of the last"])
    yield table_row(["---", "--:", "--:"])
    for name, title in NETWORKS.items():
        if name in timed["not_run"]:
            yield table_row([title, "not run", timed["not_run"][name]])
        else:
            yield table_row([title, _milliseconds(_timings(timed)[name]), _text(_ratio(timed, name))])


def _last_layer(found: Mapping[str, Any]) -> Iterator[str]:
    yield table_row(["threads", "plain, ms", "transposed, ms", "plain, as a multiple"])
    yield table_row(["--:"] * 4)
    for timed in (timed for timed in found["latency"] if timed["case"].startswith(LAST_LAYER)):
        both = [_milliseconds(_timings(timed)[name]) for name in (PLAIN, timed["baseline"])]
        yield table_row([timed["threads"], *both, _text(_ratio(timed, PLAIN))])


def _growth(found: Mapping[str, Any]) -> Iterator[str]:
    timings = case(found, GROWING)["timings"]
    costs = {(cost["size"], cost["of"]): _text(cost["ratio"]) for cost in found["costs"]}
    sizes = [timing["name"] for timing in timings]
    yield table_row(["picture", "ms", *(f"a pixel, as a multiple of {size}²" for size in sizes)])
    yield table_row(["---", "--:", *["--:"] * len(sizes)])
    for timing in timings:
        own = timing["name"]
        yield table_row([f"{own}×{own}", _milliseconds(timing), *(costs.get((own, other), "1") for other in sizes)])


def _face(found: Mapping[str, Any]) -> tuple[float, int]:
    """How far the face is from torch's, and its values at truncation edges, in the exporter's file that has most."""
    faces = found["faces"]
    return max(face["difference"] for face in faces), max(face["pixels"]["edges"] for face in faces)


def _timings(timed: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {timing["name"]: timing for timing in timed["timings"]}


def _ratio(timed: Mapping[str, Any], contender: str) -> Mapping[str, float]:
    return _timings(timed)[contender]["ratio"]


def _text(ratio: Mapping[str, float]) -> str:
    return str(Ratio(**ratio))


def _milliseconds(timing: Mapping[str, Any]) -> str:
    milliseconds = timing["median"] * 1e3
    return f"{milliseconds:.1f}" if milliseconds < 10 else f"{milliseconds:.0f}"
