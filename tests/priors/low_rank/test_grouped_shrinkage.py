"""Properties of shrinking the singular values of groups of patches."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.pictures import seeded, with_noise
from zeroshot.priors import patch_groups
from zeroshot.priors.patch_groups import PatchGroups
from zeroshot.solvers.singular_values import RULES, shrink_singular_values, weighted
from zeroshot.solvers.thresholds import hard, soft


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed))


def by_definition(groups: torch.Tensor, shrink: Callable, thresholds: torch.Tensor) -> torch.Tensor:
    """U f(S) Vᵀ, literally, in double precision."""
    left, values, right = torch.linalg.svd(groups.double(), full_matrices=False)
    return left @ torch.diag_embed(shrink(values, thresholds.double()[:, None])) @ right


# --- the rules ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_nothing_below_the_threshold_survives_and_order_is_kept(rule: str) -> None:
    values = torch.linspace(0, 5, 501)
    shrunk = RULES[rule](values, torch.tensor(2.0))
    assert torch.equal(shrunk == 0, values <= 2)
    assert bool((shrunk.diff() >= 0).all())
    assert bool((shrunk <= values).all())


def test_weights_shrink_large_values_least() -> None:
    values = torch.linspace(2.01, 50, 400)
    threshold = torch.tensor(2.0)
    lost = values - weighted(values, threshold)
    assert bool((lost.diff() < 0).all())
    assert bool((lost < values - soft(values, threshold)).all())
    assert lost[-1] == pytest.approx(threshold.item() ** 2 / 4 / 50, rel=0.01)


@pytest.mark.parametrize("value", [2.1, 3.0, 10.0, 1.9, 0.3])
def test_the_weighted_rule_is_the_limit_of_reweighting(value: float) -> None:
    threshold = 2.0
    constant = threshold**2 / 4
    x = value
    for _ in range(5000):
        x = max(value - constant / (x + 1e-12), 0.0)
    expected = weighted(torch.tensor(value, dtype=torch.float64), torch.tensor(threshold)).item()
    assert x == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("rule", ["soft", "hard"])
def test_the_rules_minimise_their_objective_for_one_value(rule: str) -> None:
    grid = torch.linspace(0, 6, 60001, dtype=torch.float64)
    threshold = 1.5
    penalty = {"soft": threshold * grid, "hard": 0.5 * threshold**2 * (grid > 0)}[rule]
    for value in (0.7, 1.4, 1.6, 4.0):
        best = grid[(0.5 * (grid - value).square() + penalty).argmin()].item()
        found = RULES[rule](torch.tensor(value, dtype=torch.float64), torch.tensor(threshold)).item()
        assert found == pytest.approx(best, abs=2e-4)


# --- matrices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", [(30, 12), (12, 30), (16, 16), (1, 9), (9, 1)], ids=str)
def test_agrees_with_the_singular_value_decomposition(rule: str, shape: tuple[int, int]) -> None:
    batch = normal(20, *shape)
    thresholds = torch.linspace(0.5, 6, 20)
    expected = by_definition(batch, RULES[rule], thresholds)
    result = shrink_singular_values(batch, RULES[rule], thresholds)
    torch.testing.assert_close(result.double(), expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("shape", [(40, 16), (16, 40)], ids=str)
def test_small_thresholds_under_large_values_are_resolved(shape: tuple[int, int]) -> None:
    """A brightness of 3e5 thresholds would drown them in a Gram matrix of single precision."""
    weak = normal(5, *shape) * 1e-3
    batch = 30 * torch.ones(shape) + weak
    thresholds = torch.full((5,), 8e-3)
    expected = by_definition(batch, soft, thresholds)
    error = (shrink_singular_values(batch, soft, thresholds) - expected).square().mean().sqrt()
    kept = (by_definition(batch, soft, 0 * thresholds) - expected).square().mean().sqrt()
    assert error < 0.02 * kept


def test_a_threshold_of_zero_changes_nothing() -> None:
    for shape in ((20, 8), (8, 20)):
        batch = normal(4, *shape)
        for rule in RULES.values():
            torch.testing.assert_close(
                shrink_singular_values(batch, rule, torch.zeros(4)), batch, atol=1e-5, rtol=0
            )


def test_empty_groups_stay_empty() -> None:
    batch = torch.zeros(3, 10, 6)
    for rule in RULES.values():
        assert torch.equal(shrink_singular_values(batch, rule, torch.zeros(3)), batch)
        assert torch.equal(shrink_singular_values(batch, rule, torch.ones(3)), batch)


def test_a_matrix_of_rank_one_is_recovered_from_noise_by_the_hard_rule() -> None:
    truth = normal(8, 40, 1) @ normal(8, 1, 25, seed=1)
    thresholds = torch.full((8,), 5.0)
    torch.testing.assert_close(shrink_singular_values(truth, hard, thresholds), truth, atol=1e-4, rtol=1e-4)
    noisy = truth + 0.1 * normal(8, 40, 25, seed=2)
    found = shrink_singular_values(noisy, hard, thresholds)
    assert bool((torch.linalg.matrix_rank(found, rtol=1e-4) == 1).all())
    assert (found - truth).square().mean() < 0.1 * (noisy - truth).square().mean()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", [(70, 49), (60, 192)], ids=str)
def test_large_matrices_of_low_rank_agree_with_the_decomposition(rule: str, shape: tuple[int, int]) -> None:
    """Those with few values above the threshold, with many, with none, and of zeros, in one batch."""
    ranks = [0, 1, 5, 12, 30] * 8
    rows, columns = shape
    batch = torch.stack(
        [normal(1, rows, rank, seed=rank)[0] @ normal(1, rank, columns, seed=rank + 50)[0] for rank in ranks]
    )
    noisy = batch + 0.01 * normal(len(ranks), *shape, seed=7)
    noisy[5] = 0
    thresholds = torch.full((len(ranks),), 1.0)
    expected = by_definition(noisy, RULES[rule], thresholds)
    found = shrink_singular_values(noisy, RULES[rule], thresholds).double()
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=1e-3)


def test_images_that_are_not_finite_are_refused_in_large_groups() -> None:
    batch = normal(20, 60, 192)
    batch[3, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        shrink_singular_values(batch, soft, torch.full((20,), 5.0))


def test_fixed_weights_in_ascending_order_give_the_minimum() -> None:
    """½‖Y − X‖² + Σ wᵢ sᵢ(X): no gradient descent from many starts gets lower (Gu et al., theorem 1)."""
    target = normal(1, 6, 4).double()
    # Singular values come in ascending order here, so that the weights fall.
    weights = torch.tensor([[2.0, 1.2, 0.5, 0.1]], dtype=torch.float64)

    def objective(x: torch.Tensor) -> torch.Tensor:
        values = torch.linalg.svdvals(x).flip(-1)
        return 0.5 * (target - x).square().sum((1, 2)) + (weights * values).sum(1)

    closed = objective(shrink_singular_values(target, soft, weights))
    starts = torch.cat([target, normal(30, 6, 4, seed=3).double()]).requires_grad_()
    descent = torch.optim.Adam([starts], lr=0.02)
    for _ in range(600):
        descent.zero_grad()
        objective(starts).sum().backward()
        descent.step()
    best = objective(starts.detach()).min().item()
    assert closed.item() <= best + 1e-6
    assert best == pytest.approx(closed.item(), rel=1e-2)


def test_groups_that_are_not_matrices_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(B, n, d\), got shape \(3, 4\)"):
        shrink_singular_values(torch.ones(3, 4), soft, torch.ones(3))


# --- groups of an image ------------------------------------------------------------------------------------


def test_the_image_comes_back_where_nothing_is_shrunk(photograph: torch.Tensor) -> None:
    image = photograph[0, :, :61, :43]
    for centre in ("mean", "none"):
        result = PatchGroups(image, 6, 20, 4, 9).shrink(image, soft, 0.0, centre)
        torch.testing.assert_close(result, image, atol=1e-5, rtol=0)


def test_agrees_with_a_loop_over_groups(photograph: torch.Tensor) -> None:
    """A literal transcription: groups one by one, singular value decomposition, sums and counts of pixels."""
    image = photograph[0, :1, :24, :21]
    size, threshold = 5, 0.4
    groups = PatchGroups(image, size, 12, 3, 7)
    total, count = torch.zeros_like(image), torch.zeros_like(image)
    (band,) = groups._bands
    for corners in band.corners.tolist():
        places = [(c // (21 - size + 1), c % (21 - size + 1)) for c in corners]
        matrix = torch.stack([image[0, r : r + size, c : c + size].flatten() for r, c in places])
        left, values, right = torch.linalg.svd(matrix - matrix.mean(0), full_matrices=False)
        new = left @ torch.diag((values - threshold).clamp(min=0)) @ right + matrix.mean(0)
        for (r, c), patch in zip(places, new, strict=True):
            total[0, r : r + size, c : c + size] += patch.view(size, size)
            count[0, r : r + size, c : c + size] += 1
    torch.testing.assert_close(groups.shrink(image, soft, threshold), total / count, atol=1e-5, rtol=0)


def test_each_group_gets_the_threshold_at_its_reference(photograph: torch.Tensor) -> None:
    """Everything is kept on the left, nothing but the mean of each group on the right."""
    image = photograph[0, :1, :48, :96]
    thresholds = torch.zeros(43, 91)
    thresholds[:, 40:] = 1e3
    result = PatchGroups(image, 6, 15, 3, 9).shrink(image, hard, thresholds)
    torch.testing.assert_close(result[..., :25], image[..., :25], atol=1e-5, rtol=0)
    assert (result[..., 60:] - image[..., 60:]).abs().mean() > 1e-3


def test_bands_change_nothing(photograph: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = with_noise(photograph[0, :1], 0.1)
    whole = PatchGroups(noisy, 6, 30, 3, 9).shrink(noisy, weighted, 1.0)
    references = len(PatchGroups(noisy, 6, 30, 3, 9)._bands[0].corners)
    monkeypatch.setattr(patch_groups, "BAND", 50 * 96 * 36)
    monkeypatch.setattr(patch_groups, "CHUNK", {"cpu": 10_000})
    groups = PatchGroups(noisy, 6, 30, 3, 9)
    assert len(groups._bands) > 2
    assert sum(len(band.corners) for band in groups._bands) == references
    banded = groups.shrink(noisy, weighted, 1.0)
    assert (banded - whole).square().mean().sqrt() < 1e-3 * (noisy - whole).square().mean().sqrt()


def test_groups_are_no_larger_than_the_window() -> None:
    image = normal(1, 7, 9)
    assert PatchGroups(image, 5, 100, 2, 1).count == 9
    assert PatchGroups(image, 5, 100, 2, 20).count == 15
    assert PatchGroups(image[:, :5, :5], 5, 100, 2, 20).count == 1


def test_an_image_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"image \(5 × 9\) is smaller than a patch of 6 × 6"):
        PatchGroups(normal(1, 5, 9), 6, 10, 2, 5)


@pytest.mark.parametrize("size", [(40, 52), (33, 31)], ids=str)
def test_half_of_the_groups_covers_the_image_and_is_nearly_all_of_them(size: tuple[int, int]) -> None:
    image = 0.5 + 0.05 * normal(1, *size)
    found = PatchGroups(image, 6, 20, 3, 8)
    everything = found.shrink(image, soft, 0.5)
    half = found.shrink(image, soft, 0.5, share="half")
    # A pixel without a patch would stay as noisy as it is.
    assert float((half - 0.5).abs().max()) < 0.6 * float((image - 0.5).abs().max())
    assert float((half - 0.5).std()) < 1.2 * float((everything - 0.5).std())
    apart = PatchGroups(image, 6, 20, 4, 8)
    assert torch.equal(apart.shrink(image, soft, 0.5), apart.shrink(image, soft, 0.5, share="half"))
