"""Listing 11: `g.op` with two inputs."""


class OneOperator(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function.apply(*inputs)


class Add(torch.autograd.Function):
    @staticmethod
    def symbolic(g, a, b):
        return g.op("Add", a, b)

    @staticmethod
    def forward(ctx, a, b):
        return a + b


torch.onnx.export(
    OneOperator(Add),
    (torch.zeros(3), torch.zeros(3)),
    "add.onnx",
    opset_version=11,
    input_names=["a", "b"],
    output_names=["output"],
)
