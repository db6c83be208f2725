"""Recurrent operators of sequences of different lengths, which onnx's reference evaluator takes for equal."""

from typing import Any

import numpy as np
from onnx.reference.ops import op_gru, op_lstm, op_rnn

from onnxproof._internal.trees import Array


class _OfLengths:
    """Runs each sequence of a batch by itself: backwards from its own end, and zero behind it."""

    def _run(
        self,
        x: Array,
        weight: Array,
        recurrent: Array,
        bias: Array | None = None,
        lengths: Array | None = None,
        *states: Array | None,
        **options: Any,
    ) -> tuple[Array, ...]:
        run: Any = super()._run  # type: ignore[misc]
        weights = weight, recurrent, bias, None
        if lengths is None or options.get("layout") or np.all(lengths == len(x)):
            return run(x, *weights, *states, **options)  # type: ignore[no-any-return]
        found = []
        for place, length in enumerate(lengths):
            own = [state if state is None or state.ndim < 3 else state[:, place : place + 1] for state in states]
            every, *last = run(x[:length, place : place + 1], *weights, *own, **options)
            behind = np.zeros((len(x) - length, *every.shape[1:]), every.dtype)
            found.append((np.concatenate([every, behind]), *last))
        every, *last = zip(*found, strict=True)
        return np.concatenate(every, 2), *(np.concatenate(state, 1) for state in last)


class GRU(_OfLengths, op_gru.GRU):  # type: ignore[misc]  # the same arguments by other names
    """Takes lengths."""


class LSTM(_OfLengths, op_lstm.LSTM):  # type: ignore[misc]
    """Takes lengths."""


class RNN(_OfLengths, op_rnn.RNN_14):  # type: ignore[misc]
    """Takes lengths."""


RECURRENT = [GRU, LSTM, RNN]
