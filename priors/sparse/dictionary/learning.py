"""One image and the dictionary that is learned from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from zeroshot.checks import require_positive, require_whole
from zeroshot.patches import corners_shape, patches_at
from zeroshot.priors.sparse.dictionary.averaging import Coder, code_image
from zeroshot.priors.sparse.dictionary.ksvd import cosine_dictionary, replace_atoms, update_atoms


@dataclass(frozen=True)
class LearningSettings:
    """What :class:`Learner` has to know; :class:`LearnedDictionary` says what each of them means."""

    patch: int = 8
    atoms: int = 256
    sweeps: int = 15
    gain: float = 1.15
    sparsity: int = 32
    training: int = 40_000
    fidelity: float = 30.0
    stride: int = 1
    trust: float = 0.1
    coarsest: float = 20 / 255
    finest: float = 3 / 255

    def __post_init__(self) -> None:
        for name, least, most in (
            ("patch", 2, 32),
            ("atoms", 4, 8192),
            ("sweeps", 0, 10_000),
            ("sparsity", 1, 1024),
            ("training", 1, 10_000_000),
            ("stride", 1, 32),
        ):
            require_whole(self, name, least=least, most=most)
        require_positive(self, "gain", "fidelity", "trust", "coarsest", "finest")
        if self.finest > self.coarsest:
            raise ValueError(f"finest must be at most coarsest ({self.coarsest}), got {self.finest}")
        if self.stride > self.patch:
            raise ValueError(f"stride must be at most patch ({self.patch}), got {self.stride}")


class Learner:
    """K-SVD on patches of one image, and the image that its dictionary makes of itself.

    Where pixels are missing, their present filling counts with a small weight, and each image made becomes the
    next filling: as the noise level assumed falls from sweep to sweep, the structures that the known pixels
    agree on are filled in first, and details later.

    Parameters
    ----------
    settings : LearningSettings
        How to learn.
    image : torch.Tensor
        (C, H, W), its holes filled provisionally.
    known : torch.Tensor or None
        (C, H, W), 1 at known pixels; None where all are.
    sigma : float
        Standard deviation of the noise; 0 for none.
    generator : torch.Generator
        Chooses the patches to learn from.

    Attributes
    ----------
    dictionary : torch.Tensor
        (K, C · size²), the atoms as rows of length 1, each channel of mean 0.
    atoms_used : float
        Atoms per patch in the last coding of the whole image, the constant ones apart.
    atoms_needed : float
        The same of the patches to learn from, in the last sweep.
    replaced : int
        How many atoms of no use have been replaced by patches.
    """

    def __init__(
        self,
        settings: LearningSettings,
        image: torch.Tensor,
        known: torch.Tensor | None,
        sigma: float,
        generator: torch.Generator,
    ) -> None:
        channels, height, width = image.shape
        self._settings, self._image, self._known, self._sigma = settings, image, known, sigma
        self._weights = None if known is None else known + (1 - known) * settings.trust
        self.size = min(settings.patch, height, width)
        # Small patches span too few dimensions to tell many atoms apart.
        atoms = min(settings.atoms, 4 * channels * self.size**2) - channels
        self.dictionary = cosine_dictionary(self.size, channels, max(atoms, 1)).to(image)
        self._corners = self._chosen_corners(generator).to(image.device)
        self.atoms_used = self.atoms_needed = 0.0
        self.replaced = 0

    def _chosen_corners(self, generator: torch.Generator) -> torch.Tensor:
        """The corners of the patches to learn from; of those with a known pixel, where some are missing."""
        height, width = self._image.shape[-2:]
        rows, columns = corners_shape(height, width, self.size)
        if self._known is None:
            usable = torch.arange(rows * columns)
        else:
            any_known = functional.max_pool2d(self._known[None], self.size, stride=1)[0].amax(0)
            usable = any_known.flatten().nonzero()[:, 0].cpu()
            if not len(usable):
                usable = torch.arange(rows * columns)
        order = torch.randperm(len(usable), generator=generator)
        return usable[order[: self._settings.training]].sort().values

    def learn(self, count: int, sweeps: int) -> torch.Tensor | None:
        """Make step `count`, from 0 to `sweeps`: a sweep, but for the first, and an image where it is time.

        Returns
        -------
        torch.Tensor or None
            The image (C, H, W). With all pixels known it is made at the first and the last step only, and with
            missing pixels at each, by fewer patches before the last.
        """
        coder = Coder(
            self._level(count, sweeps), self._settings.gain, self._settings.sparsity, len(self._image)
        )
        if count > 0:
            # Atoms put in after the last fit would stay what they are: noisy patches.
            self.sweep(coder, "poor" if self._known is None and count < sweeps else "none")
        last = count == sweeps
        if self._known is None:
            return self.restore(coder, self._settings.stride) if last or count == 0 else None
        image = self.restore(coder, self._settings.stride if last else max(self._settings.stride, 2))
        self._image = torch.where(self._known > 0, self._image, image)
        return image

    def _level(self, count: int, sweeps: int) -> float:
        """The noise level assumed at this step."""
        if self._known is None:
            return self._sigma
        first, last = self._settings.coarsest, self._settings.finest
        return max(self._sigma, first * (last / first) ** (count / sweeps if sweeps else 1.0))

    def sweep(self, coder: Coder, replacing: str = "none") -> None:
        """Code the patches to learn from, and fit each atom once.

        Parameters
        ----------
        coder : Coder
            How patches are coded.
        replacing : {"poor", "none"}
            Whether atoms of no use are replaced.
        """
        patches = patches_at(self._image, self._corners, self.size).flatten(1)
        weights = None
        if self._weights is not None:
            weights = patches_at(self._weights, self._corners, self.size).flatten(1)
        codes, means = coder.code(self.dictionary, patches, weights)
        self.atoms_needed = len(codes.atoms) / len(patches)
        residuals = patches - means - codes.decode(self.dictionary)
        dictionary, codes, residuals = update_atoms(self.dictionary, codes, residuals, weights)
        if replacing == "poor":
            dictionary, replaced = replace_atoms(dictionary, codes, residuals, self._without_means(patches))
            self.replaced += replaced
        self.dictionary = functional.normalize(self._without_means(dictionary), dim=1)

    def _without_means(self, rows: torch.Tensor) -> torch.Tensor:
        planes = rows.unflatten(1, (self._image.shape[0], -1))
        return (planes - planes.mean(-1, keepdim=True)).flatten(1)

    def restore(self, coder: Coder, stride: int) -> torch.Tensor:
        """The minimiser of λ ‖m ⊙ (x − y)‖² + Σ w ‖R x − D γ‖², (C, H, W), with γ from the present dictionary.

        R cuts a patch out, `stride` pixels from the next one. Known pixels without noise are kept.
        """
        image, known = self._image, self._known
        stride = min(stride, self.size)
        coded = code_image(image, self._weights, self.dictionary, coder, self.size, stride)
        self.atoms_used = coded.atoms
        if self._sigma <= 0:
            average = coded.sums / coded.weights.clamp(min=1e-12)
            return average if known is None else torch.where(known > 0, image, average)
        # λ: of a pixel that as many patches cover as in the paper, 64, it is `fidelity` / (255 σ).
        pull = self._settings.fidelity / (255 * self._sigma) * (self.size / stride) ** 2 / 64
        own = pull * (torch.ones_like(image) if known is None else known)
        return (coded.sums + own * image) / (coded.weights + own)

    def state_dict(self) -> dict[str, Any]:
        """The dictionary, the patches that it is learned from, and the filled image."""
        return {
            "dictionary": self.dictionary.clone(),
            "corners": self._corners.clone(),
            "image": self._image.clone(),
            "atoms_used": self.atoms_used,
            "atoms_needed": self.atoms_needed,
            "replaced": self.replaced,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        self.dictionary = state["dictionary"].to(self._image)
        self._corners = state["corners"].to(self._corners)
        self._image = state["image"].to(self._image)
        self.atoms_used, self.atoms_needed = state["atoms_used"], state["atoms_needed"]
        self.replaced = state["replaced"]
