"""Faults put into one place of a file, and whether the module that is named is the one that holds the place."""

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import ModelProto, NodeProto
from torch import Tensor, nn

from onnxproof.case import Case
from onnxproof.engines.base import EngineError
from onnxproof.exporting.export import ExportError
from onnxproof.faults import FAULTS
from onnxproof.faults.fault import Fault, Unsuited
from onnxproof.graph.modules import module_of, says_by
from onnxproof.locating.departure import departure
from onnxproof.probing.conversion import Conversion, exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import Where
from onnxproof.versions import EXPORTERS
from tests.harness.good_conversions.making import built
from tests.harness.subjects import noise, srcnn_case, two_heads_case
from tests.harness.tools import onnxsim, onnxslim

OF_VALUES = ("same-values", "same-values-unseen")


class Residual(nn.Module):
    """Two normalized convolutions beside a shortcut."""

    def __init__(self, channels: int, more: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, more, 3, stride, 1, bias=False)
        self.bn1, self.act = nn.BatchNorm2d(more), nn.ReLU()
        self.conv2, self.bn2 = nn.Conv2d(more, more, 3, 1, 1, bias=False), nn.BatchNorm2d(more)
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(channels, more, 1, stride)

    def forward(self, image: Tensor) -> Tensor:
        features = self.act(self.bn1(self.conv1(image)))
        return torch.relu(self.bn2(self.conv2(features)) + self.shortcut(image))


class ResidualNetwork(nn.Module):
    """A small ResNet: features, and scores of ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.act = nn.Conv2d(3, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.layers = nn.Sequential(Residual(8, 8), Residual(8, 16, 2), Residual(16, 16))
        self.mix, self.head = nn.Linear(16, 16), nn.Linear(16, 10)
        for norm in (module for module in self.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.layers(self.pool(self.act(self.norm(self.stem(image)))))  # (N, 16, H/8, W/8)
        return self.head(torch.relu(self.mix(features.mean((2, 3))))), features


class Block(nn.Module):
    """Attention and two layers, each behind a normalization."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), nn.MultiheadAttention(width, 2, batch_first=True)
        self.norm2, self.up, self.act, self.down = (
            nn.LayerNorm(width),
            nn.Linear(width, 32),
            nn.ReLU(),
            nn.Linear(32, width),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        normed = self.norm1(tokens)
        tokens = tokens + self.attn(normed, normed, normed, need_weights=False)[0]
        return tokens + self.down(self.act(self.up(self.norm2(tokens))))


class Transformer(nn.Module):
    """A small vision transformer: patches in, a picture of the same size out."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.blocks = nn.Sequential(Block(16), Block(16))
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 16)
        self.out = nn.ConvTranspose2d(16, 3, 4, 4)

    def forward(self, image: Tensor) -> Tensor:
        patches = self.patch(image)  # (N, 16, H/4, W/4)
        tokens = self.blocks(patches.flatten(2).transpose(1, 2))  # (N, HW/16, 16)
        mixed = torch.relu(self.head(self.norm(tokens))).transpose(1, 2)
        return self.out(mixed.reshape(patches.shape))


def resnet_case() -> Case:
    return Case(
        built(ResidualNetwork),
        {"image": noise(2, 3, 32, 40, low=-1, high=1)},
        name="resnet-like",
        output_names=["scores", "features"],
    )


def transformer_case() -> Case:
    image = {"image": noise(2, 3, 16, 20, low=-1, high=1)}
    return Case(built(Transformer), image, name="transformer-like", output_names=["output"])


NETWORKS = {
    "srcnn": srcnn_case,
    "two-heads": two_heads_case,
    "resnet-like": resnet_case,
    "transformer-like": transformer_case,
}
OPSETS = dict(zip(EXPORTERS, (17, 18) if len(EXPORTERS) == 2 else (17,), strict=True))


def anonymous(before: Path, after: Path) -> None:
    """Leaves no name in a file but those of its inputs and outputs, and no metadata."""
    model = onnx.load(before)
    kept = {info.name for info in (*model.graph.input, *model.graph.output)}
    new: dict[str, str] = {}

    def renamed(name: str) -> str:
        return name if not name or name in kept else new.setdefault(name, f"v{len(new)}")

    for tensor in model.graph.initializer:
        tensor.name = renamed(tensor.name)
    for node in model.graph.node:
        node.name = ""
        del node.metadata_props[:]
        node.input[:], node.output[:] = map(renamed, node.input), map(renamed, node.output)
    del model.graph.value_info[:]
    onnx.save(model, after)


MADE_BY = {"exporter": None, "onnxsim": onnxsim, "onnxslim": onnxslim, "no names": anonymous}


@dataclass(frozen=True)
class Located:
    """A fault at one place: the modules that hold it, and what was named; None where nothing was.

    Naming it on `inputs` took `seconds`.
    """

    network: str
    exporter: str
    made_by: str
    fault: str
    holders: tuple[str, ...]
    nodes: tuple[str, ...]
    where: Where | None
    says: str
    told: str
    path: Path
    inputs: Mapping[str, Any]
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether the module holds the place; at the end of a file, in no module, the nodes tell."""
        if self.where is None:
            return False
        if not self.where.type:
            return bool({*self.where.nodes} & {*self.nodes}) or self.fault == "outputs-exchanged"
        return self.where.module in self.holders

    @property
    def verdict(self) -> str:
        """ "right", "wrong" or "none"."""
        return "right" if self.is_right else "wrong" if self.where else "none"


@cache
def good(network: str, exporter: str) -> Conversion:
    return exported(ReferenceModel(NETWORKS[network]()), exporter, OPSETS[exporter])


def located(network: str, exporter: str, made_by: str, faults: Iterable[Fault] = tuple(FAULTS)) -> Iterator[Located]:
    """Every fault of values that shows in a file, made by an exporter and perhaps by a tool of that file.

    The broken file is there until the next one.
    """
    origin = good(network, exporter)
    make = MADE_BY[made_by]
    with tempfile.TemporaryDirectory() as folder:
        path = origin.file.path
        if make:
            path = Path(folder, "made.onnx")
            make(origin.file.path, path)
        for fault in (fault for fault in faults if fault.caught_by in OF_VALUES):
            with tempfile.TemporaryDirectory() as beside:
                found = _located(origin, path, fault, Path(beside))
                if found:
                    yield Located(network, exporter, made_by, fault.id, *found)


def _located(origin: Conversion, path: Path, fault: Fault, folder: Path):
    try:
        broken = fault.apply(path, folder)
        before, after = onnx.load(path), onnx.load(broken)
        in_one_place(before, after)
        onnx.save(after, broken)
    except Unsuited:
        return None
    conversion = origin.of_file(broken)
    try:
        wrong = [each for each in conversion.model.judged if not conversion.outcome(each).is_right]
    except (EngineError, ExportError):
        return None
    wrong = [each for each in wrong if not conversion.outcome(each).refusal]
    if not wrong:
        return None
    nodes = places(before, after)
    holders = {module for node in nodes for module in holding(onnx.load(origin.file.path), before, after, node)}
    started = time.perf_counter()
    found = departure(conversion, wrong[0])
    seconds = time.perf_counter() - started
    says = next((by for node in before.graph.node if (by := says_by(node))), "")
    names = tuple(node.output[0] for node in nodes)
    return tuple(sorted(holders)), names, found.where, says, found.told, broken, wrong[0].probe.inputs, seconds


def in_one_place(before: ModelProto, after: ModelProto) -> None:
    """Leaves one of several changed weights, the middle one."""
    own = {tensor.name: tensor for tensor in before.graph.initializer}
    changed = [t for t in after.graph.initializer if t.name in own and t != own[t.name]]
    for tensor in changed:
        if tensor is not changed[len(changed) // 2]:
            tensor.CopyFrom(own[tensor.name])


def places(before: ModelProto, after: ModelProto) -> list[NodeProto]:
    """The nodes that a fault changed or added, and those with a changed weight."""
    own = {tensor.name: tensor for tensor in before.graph.initializer}
    other = {t.name for t in after.graph.initializer if t.name in own and t != own[t.name]}
    known = {node.SerializeToString() for node in before.graph.node}
    found = [n for n in after.graph.node if n.SerializeToString() not in known or other & set(n.input)]
    return found or [node for node in after.graph.node if node.op_type == "Softmax"]  # the header alone is changed


def holding(original: ModelProto, before: ModelProto, after: ModelProto, node: NodeProto) -> set[str]:
    """The modules of a node: its own, those it was merged of, or those on both sides of one that was added."""
    makers = {name: each for each in original.graph.node for name in each.output}
    old = _old_names(original, before)
    kept = {old.get(name, name) for each in before.graph.node for name in each.output}
    known = {name for name in map(_plain, node.output) if old.get(name, name) in makers}
    if not known or any(name.endswith("_changed") for name in (*node.input, *node.output)):
        known |= _next_known(after, node, old, makers)
    found: set[str] = set()
    for first in {old.get(name, name) for name in known}:
        left = [first]
        while left:
            name = left.pop()
            if name in makers and (name == first or name not in kept):
                module = module_of(makers[name])
                around, dot, own = module.rpartition(".")
                found |= {module, f"{around}{dot}{MERGED.get(own, own)}"}
                left += makers[name].input
    return found


MERGED = {"norm": "stem", "bn1": "conv1", "bn2": "conv2"}
"""The convolution that a normalization of the networks is merged with."""


def _plain(name: str) -> str:
    """A value's name before a fault put a node behind it."""
    while name.endswith("_changed"):
        name = name.removesuffix("_changed")
    return name


def _old_names(original: ModelProto, before: ModelProto) -> dict[str, str]:
    """The names that an exporter gave to the values of a file with the same nodes."""
    ours, theirs = original.graph.node, before.graph.node
    if [node.op_type for node in ours] != [node.op_type for node in theirs]:
        return {}
    return {new: old for a, b in zip(ours, theirs, strict=True) for old, new in zip(a.output, b.output, strict=True)}


def _next_known(
    after: ModelProto, node: NodeProto, old: Mapping[str, str], makers: Mapping[str, NodeProto]
) -> set[str]:
    """The values behind a node that the exporter's file has, too."""
    left, found = list(node.output), set()
    while left:
        name = left.pop()
        for user in (each for each in after.graph.node if name in each.input):
            is_known = [old.get(_plain(each), each) in makers for each in user.output]
            found |= {_plain(each) for each, known in zip(user.output, is_known, strict=True) if known}
            left += [each for each, known in zip(user.output, is_known, strict=True) if not known]
    return found
