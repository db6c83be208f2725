"""How a repro.py opens a file in an engine besides ONNX Runtime and the reference evaluator."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OwnSession:
    """The package that a script imports, and the lines that give it `session.run(None, feeds)` and `ASKED`."""

    package: str
    session: str


_OPEN = """\


ASKED = FACTS["asked"]
try:
    session = Session()
except Exception as error:
    shows(True, error)
"""
_OPENVINO = """\
class Session:
    def __init__(self):
        options = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY"}
        self.compiled = openvino.Core().compile_model(MODEL, FACTS["option"] or "CPU", options)

    def run(self, _, feeds):
        outputs = self.compiled(feeds)
        return [outputs[name] for name in FACTS["gives"]]
"""
_OPENCV = """\
class Session:
    def __init__(self):
        option = FACTS["option"]
        chosen = [getattr(cv2.dnn, f"ENGINE_{option.upper()}")] if option and hasattr(cv2.dnn, "ENGINE_NEW") else []
        self.net = cv2.dnn.readNetFromONNX(MODEL, *chosen)

    def run(self, _, feeds):
        for name, array in feeds.items():
            self.net.setInput(array, name)
        return self.net.forward(FACTS["gives"])
"""
_TRACT = """\
class Session:
    def run(self, _, feeds):
        try:
            plan = tract.onnx().load(MODEL).into_model().into_runnable()
        except tract.TractError:  # for the sizes of these inputs
            model = tract.onnx().load(MODEL)
            for place in range(model.input_count()):
                array = feeds[model.input_name(place)]
                kind = {"bool": "bool"}.get(array.dtype.name, f"{array.dtype.kind}{8 * array.dtype.itemsize}")
                model.set_input_fact(place, ",".join([*map(str, array.shape), kind]))
            for place in range(model.output_count()):
                model.set_output_fact(place, None)
            plan = model.into_model().into_runnable()
        return [found.to_numpy() for found in plan.run(list(feeds.values()))]


ASKED, session = FACTS["asked"], Session()
"""

OTHERS = {
    "openvino": OwnSession("openvino", _OPENVINO + _OPEN),
    "opencv": OwnSession("cv2", _OPENCV + _OPEN),
    "tract": OwnSession("tract", _TRACT),
}
"""By the engine's name without its option."""


def base_of(engine: str) -> str:
    """An engine's name without its option."""
    return engine.partition(":")[0]
