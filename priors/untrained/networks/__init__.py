"""Untrained networks whose structure is the prior."""

from zeroshot.priors.untrained.networks.decoder import Decoder
from zeroshot.priors.untrained.networks.kernel import KernelNetwork
from zeroshot.priors.untrained.networks.layers import Network
from zeroshot.priors.untrained.networks.resnet import ResNet
from zeroshot.priors.untrained.networks.skip import Skip
from zeroshot.priors.untrained.networks.unet import UNet

__all__ = ["Decoder", "KernelNetwork", "Network", "ResNet", "Skip", "UNet"]
