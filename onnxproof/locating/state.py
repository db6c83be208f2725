"""The state that a model keeps: what a run changes, and whether it repeats itself in eval mode."""

from typing import Any

import numpy as np
from torch import Tensor, nn

from onnxproof._internal.trees import same_bits, to_array
from onnxproof.case import Case
from onnxproof.engines.torch import TorchModel, copied


def changed_by_a_run(case: Case) -> list[str]:
    """The buffers, parameters and plain attributes of a case's model that a run on the example changes, by name."""
    model = copied(case.module)
    before = _state(model)
    TorchModel(model, tuple(case.inputs), case.output_names, tuple(case.kwargs)).run(case.inputs)
    after = _state(model)
    return [name for name in after if name not in before or not _same(before[name], after[name])]


def repeats_in_eval_mode(case: Case) -> bool:
    """Whether the case's model is in training mode, and has the same outputs each time once it is in eval mode."""
    if not case.module.training:
        return False
    model = TorchModel(copied(case.module).eval(), tuple(case.inputs), case.output_names, tuple(case.kwargs))
    return same_bits(model.run(case.inputs), model.run(case.inputs))


def _state(model: nn.Module) -> dict[str, Any]:
    tensors = {name: to_array(value).copy() for name, value in model.state_dict().items()}
    plain = {
        f"{prefix}.{name}".lstrip("."): value.detach().clone() if isinstance(value, Tensor) else value
        for prefix, module in model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, int | float | str | Tensor)
    }
    return tensors | plain


def _same(a: Any, b: Any) -> bool:
    arrays = np.asarray(to_array(a)), np.asarray(to_array(b))
    return arrays[0].shape == arrays[1].shape and arrays[0].tobytes() == arrays[1].tobytes()
