import types

from . import compare, data_terms, generators, images, metrics, noise, operators, stopping
from .data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from .estimate import Estimate
from .inspection import Inspection, inspect
from .kernel_search import find_kernel
from .kernel_sheet import KernelSheet, kernel_sheet
from .prior import Prior, Run
from .priors.auto.selection import ModelSelection
from .priors.deconvolution.richardson_lucy import RichardsonLucy
from .priors.deconvolution.wiener import UnsupervisedWiener, Wiener
from .priors.filters.bilateral import Bilateral
from .priors.filters.diffusion import CoherenceDiffusion, PeronaMalik
from .priors.filters.domain_transform import DomainTransform
from .priors.filters.fourier import FourierLowPass
from .priors.latent.decoder import LatentDecoder
from .priors.latent.inversion import Inversion
from .priors.latent.mgan import MultiCodeGAN
from .priors.latent.pulse import Pulse
from .priors.low_rank.completion import MatrixCompletion
from .priors.low_rank.nnm import NuclearNorm
from .priors.low_rank.wnnm import WeightedNuclearNorm
from .priors.plug_and_play.pnp import PlugAndPlay, RegularisationByDenoising
from .priors.self_similarity.bm3d.bm3d import BlockMatching3D
from .priors.self_similarity.nonlocal_means import NonlocalMeans
from .priors.sparse.dct import OverlappingDCT
from .priors.sparse.dictionary.learned_dictionary import LearnedDictionary
from .priors.sparse.gsr import GroupSparseRepresentation
from .priors.sparse.ncsr.ncsr import NonlocallyCentralizedSparse
from .priors.sparse.wavelet.shrinkage import Wavelet
from .priors.total_variation.nonlocal_tv import NonlocalTotalVariation
from .priors.total_variation.tgv import TotalGeneralizedVariation
from .priors.total_variation.tv import HuberTotalVariation, TotalVariation
from .priors.untrained.data_refinement import IterativeDataRefinement
from .priors.untrained.deep_image_prior import DeepImagePrior
from .priors.untrained.noise2noise import ZeroShotNoise2Noise
from .priors.untrained.pixel2pixel import Pixel2Pixel
from .priors.untrained.selfdeblur import SelfDeblur
from .problem import Problem
from .registry import PriorTable, __version__, prior_names
from .restoration import Restoration
from .solve import solve
from .stopping import (
    Discrepancy,
    DualityGap,
    ExponentialMovingVariance,
    Finished,
    HeldOut,
    HeldOutGain,
    MaxIterations,
    Plateau,
    StoppingRule,
    TimeBudget,
    WindowedMovingVariance,
)
from .task_functions import colorize, deblur, demosaic, denoise, destripe, inpaint, jpeg, restore, sharpen, sr
from .tasks import tasks

class _Priors(types.ModuleType):
    def __call__(self) -> PriorTable: ...

priors: _Priors

__all__ = [
    "L1",
    "Bilateral",
    "BlockMatching3D",
    "CoherenceDiffusion",
    "DataTerm",
    "DeepImagePrior",
    "Discrepancy",
    "DomainTransform",
    "DualityGap",
    "Estimate",
    "ExponentialMovingVariance",
    "Finished",
    "FourierLowPass",
    "Gaussian",
    "GroupSparseRepresentation",
    "HeldOut",
    "HeldOutGain",
    "Huber",
    "HuberTotalVariation",
    "Inspection",
    "Inversion",
    "IterativeDataRefinement",
    "KernelSheet",
    "LatentDecoder",
    "LearnedDictionary",
    "MatrixCompletion",
    "MaxIterations",
    "ModelSelection",
    "MultiCodeGAN",
    "NonlocalMeans",
    "NonlocalTotalVariation",
    "NonlocallyCentralizedSparse",
    "NuclearNorm",
    "OverlappingDCT",
    "PeronaMalik",
    "Pixel2Pixel",
    "Plateau",
    "PlugAndPlay",
    "Poisson",
    "Prior",
    "PriorTable",
    "Problem",
    "Pulse",
    "RegularisationByDenoising",
    "Restoration",
    "RichardsonLucy",
    "Run",
    "SelfDeblur",
    "StoppingRule",
    "TimeBudget",
    "TotalGeneralizedVariation",
    "TotalVariation",
    "UnsupervisedWiener",
    "Wavelet",
    "WeightedNuclearNorm",
    "Wiener",
    "WindowedMovingVariance",
    "ZeroShotNoise2Noise",
    "__version__",
    "colorize",
    "compare",
    "data_terms",
    "deblur",
    "demosaic",
    "denoise",
    "destripe",
    "find_kernel",
    "generators",
    "images",
    "inpaint",
    "inspect",
    "jpeg",
    "kernel_sheet",
    "metrics",
    "noise",
    "operators",
    "prior_names",
    "priors",
    "restore",
    "sharpen",
    "solve",
    "sr",
    "stopping",
    "tasks",
]
