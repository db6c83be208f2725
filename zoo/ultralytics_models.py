"""Detectors of ultralytics, as its own exporter sets them up."""

from ultralytics.nn.tasks import DetectionModel

from onnxproof import Case
from zoo.architecture import IMAGE, architecture, noise


def detector_case(model, height: int = 64, width: int = 96) -> Case:
    """A case of a detector whose head gives boxes and scores of all anchors."""
    head = model.model[-1]
    head.export, head.format, head.dynamic = True, "onnx", True
    return Case(model, {"images": noise(2, 3, height, width)}, dynamic={"images": IMAGE})


@architecture("ultralytics", quick=True)
def yolov8():
    return detector_case(DetectionModel("yolov8n.yaml", nc=8, verbose=False))


@architecture("ultralytics")
def yolo11():
    return detector_case(DetectionModel("yolo11n.yaml", nc=8, verbose=False))
