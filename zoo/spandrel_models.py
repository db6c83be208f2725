"""Image restoration of spandrel: the classes that read the checkpoints people share."""

from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact
from spandrel.architectures.ESRGAN.__arch.RRDB import RRDBNet
from spandrel.architectures.NAFNet.__arch.NAFNet_arch import NAFNet
from spandrel.architectures.PLKSR.__arch.RealPLKSR import RealPLKSR
from spandrel.architectures.RealCUGAN.__arch.upcunet_v3 import UpCunet2x
from spandrel.architectures.SAFMN.__arch.safmn import SAFMN
from spandrel.architectures.SPAN.__arch.span import SPAN
from spandrel.architectures.SwinIR.__arch.SwinIR import SwinIR
from torch import nn

from onnxproof import Case
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from zoo.architecture import IMAGE, ONE_NAME, STATIC, architecture, noise, wrong


def image_case(model: nn.Module, height: int = 24, width: int = 32) -> Case:
    return Case(model, {"image": noise(2, 3, height, width)}, dynamic={"image": IMAGE})


@architecture("spandrel")
@wrong(TORCHSCRIPT, "shapes-honest", ONE_NAME)
def esrgan():
    return image_case(RRDBNet(num_filters=8, num_blocks=2))


@architecture("spandrel", quick=True)
def compact():
    return image_case(SRVGGNetCompact(num_feat=16, num_conv=4))


@architecture("spandrel")
@wrong(TORCHSCRIPT, "inputs-live, same-values-unseen", "its padding, under an `if`, is not in the file")
@wrong(TORCH_EXPORT, "inputs-live, same-values-unseen", "its padding, under an `if`, is not in the file")
def swinir():
    return image_case(
        SwinIR(
            embed_dim=64,
            num_heads=[2, 2],
            depths=[2, 2],
            img_size=16,
            window_size=8,
            upscale=2,
            upsampler="pixelshuffle",
        )
    )


@architecture("spandrel")
@wrong(TORCHSCRIPT, "exports", "the exporter pools to a constant size only")
@wrong(TORCH_EXPORT, STATIC, "the size of the example is in the file")
def safmn():
    return image_case(SAFMN(dim=16, n_blocks=2, upscaling_factor=2))


@architecture("spandrel")
@wrong(
    TORCHSCRIPT,
    "same-values-unseen",
    "DySample's grid is normalized by the size of the example",
)
def real_plksr():
    return image_case(RealPLKSR(dim=16, n_blocks=2, upscaling_factor=2, dysample=True))


@architecture("spandrel")
@wrong(TORCH_EXPORT, "exports", "the exporter ends the process, in its decompositions")
def span():
    return image_case(SPAN(num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=2))


@architecture("spandrel")
@wrong(TORCHSCRIPT, "inputs-kept, same-values, same-values-unseen", "the default 1 of `alpha` becomes an input")
@wrong(TORCH_EXPORT, "inputs-live, same-values-unseen", "its padding, under an `if`, is not in the file")
def real_cugan():
    return image_case(UpCunet2x(), 48, 64)


@architecture("spandrel")
def nafnet():
    return image_case(NAFNet(width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1]))
