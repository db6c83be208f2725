"""The contenders: a network in torch, three ways, and its ONNX file in each engine."""

import copy
import subprocess
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from onnxproof._internal.trees import Array
from onnxproof.engines.base import Session, engine
from onnxproof.engines.known import known
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.engines.torch import TorchModel
from onnxproof.latency import Contender

BASELINE = "onnxruntime"
REQUIRED = (BASELINE, "torch", "torch-channels_last")
ENGINES = ("opencv", "openvino", "tract")
OPTIONAL = ("torch.compile", *ENGINES)
"""Contenders that need a C++ compiler or another package, or that refuse some files."""
SEPARABLE = "separable"
"""The file of the network with the separable operator, in ONNX Runtime."""


class ChannelsLast(nn.Module):
    """A copy of a network whose weights and picture are in the memory format that torch advises for convolutions."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).to(memory_format=torch.channels_last)

    def forward(self, image: Tensor, *others: Tensor) -> Tensor:
        return self.network(image.contiguous(memory_format=torch.channels_last), *others)


def build(
    network: nn.Module, path: Path, inputs: Mapping[str, Array], files: Mapping[str, Path] = {}
) -> tuple[dict[str, Contender], dict[str, str]]:
    """The contenders by name, each run once on `inputs`, and why each of the other optional ones cannot run.

    `path` is the network's file, for every engine; `files` are its other files, for ONNX Runtime only.
    """
    sessions: dict[str, Callable[[], Session]] = {
        "onnxruntime": lambda: OnnxRuntime().open(path),
        "torch": lambda: TorchModel(network, tuple(inputs)),
        "torch-channels_last": lambda: TorchModel(ChannelsLast(network), tuple(inputs)),
        "torch.compile": lambda: TorchModel(compiled(network), tuple(inputs)),
        **{name: partial(_opened, name, path) for name in ENGINES},
        **{name: partial(OnnxRuntime().open, other) for name, other in files.items()},
    }
    contenders, not_run = {}, {}
    for name, make in sessions.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch.compile imports what torch itself deprecates
                session = make()
                session.run(inputs)
        except Exception as error:
            if name not in OPTIONAL:
                raise
            not_run[name] = why(name, error)
        else:
            contenders[name] = session.run
    return contenders, not_run


def why(contender: str, error: Exception) -> str:
    """Why a contender does not run, in one line: what is known of the engine, else what it says."""
    found = known(contender, str(error))
    return f"{found.fact[0].lower()}{found.fact[1:]}" if found else f"{type(error).__name__}: {error}".splitlines()[0]


def _opened(name: str, path: Path) -> Session:
    return engine(name).open(path)


def versions(contenders: Iterable[str]) -> dict[str, dict[str, str]]:
    """The versions of the programs that run each of the contenders; ONNX Runtime runs those of other names."""
    return {name: _versions(name) for name in contenders}


def _versions(contender: str) -> dict[str, str]:
    if contender.startswith("torch"):
        return {"torch": str(torch.__version__)} | (compiler() if contender == "torch.compile" else {})
    runtime = contender if contender in OPTIONAL else BASELINE
    return {runtime: engine(runtime).version}


def compiler() -> dict[str, str]:
    """The version of the C++ compiler that torch.compile calls, by its name; empty if it cannot be determined."""
    try:
        from torch._inductor.cpp_builder import get_cpp_compiler  # torch 2.4

        path = get_cpp_compiler()
    except Exception:
        return {}
    for option in ("-dumpfullversion", "-dumpversion"):  # clang knows the second one only
        found = subprocess.run([path, option], capture_output=True, text=True)
        if found.returncode == 0 and found.stdout.strip():
            return {Path(path).name: found.stdout.strip()}
    return {}


def compiled(network: nn.Module) -> nn.Module:
    """`network` through torch.compile, after a reset: a class runs eagerly after eight compilations."""
    torch.compiler.reset()
    return torch.compile(network, dynamic=False)
