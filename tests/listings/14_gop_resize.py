"""Listing 14: `g.op` with a constant input."""


class ResizeNearest(torch.autograd.Function):
    @staticmethod
    def symbolic(g, image, scales):
        roi = g.op("Constant", value_t=torch.tensor([], dtype=torch.float32))
        return g.op("Resize", image, roi, scales, mode_s="nearest")

    @staticmethod
    def forward(ctx, image, scales):
        return interpolate(image, scale_factor=scales.tolist()[-2:], mode="nearest")


torch.onnx.export(
    OneOperator(ResizeNearest),
    (small_noise, torch.tensor([1, 1, 2, 2], dtype=torch.float)),
    "resize.onnx",
    opset_version=11,
    input_names=["image", "scales"],
    output_names=["output"],
)
