"""The classic filters of denoising: local averages, diffusion, and the low-pass that all of them have to beat."""

from .bilateral import Bilateral
from .diffusion import CoherenceDiffusion, PeronaMalik
from .domain_transform import DomainTransform
from .fourier import FourierLowPass

__all__ = ["Bilateral", "CoherenceDiffusion", "DomainTransform", "FourierLowPass", "PeronaMalik"]
