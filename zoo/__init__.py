"""Real architectures, each a case that a deployer would write: `tox -e zoo` checks their conversion."""

from zoo import torchvision_operators  # noqa: F401  # before transformers, timm and the others import torchvision
