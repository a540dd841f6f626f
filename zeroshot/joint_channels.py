"""Whether the channels of a stack are denoised together, and which: found before the first plane is restored.

What the channels of a place have in common is found in all of them. With their noise brought to one level they are
turned to their principal axes, each of which is denoised as a plane is, and turned back (Lee, Woodyatt and Berman 1990
turn spectral bands in that way). It is done where an unbiased estimate of the error says that it is better, made on
some parts of the stack (:mod:`zeroshot.patches.channel_axes`): channels that show different things stay apart.
"""

from __future__ import annotations

import itertools
import math
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm

from zeroshot.checks import is_number
from zeroshot.data_terms import Gaussian, Poisson
from zeroshot.images import Picture
from zeroshot.images.stack import Index, Stack
from zeroshot.noise import NoiseModel
from zeroshot.notes import note
from zeroshot.patches.channel_axes import BLOCK, MOST_LOST, ChannelAxes, Judgement, detail_of, judged
from zeroshot.plane_options import PlaneOptions, is_empty
from zeroshot.problem import Problem
from zeroshot.request import Request
from zeroshot.spelling import Argument, OptionError, OptionWarning, Part
from zeroshot.survey import Survey, picture_of
from zeroshot.tasks import make_problem
from zeroshot.words import counted

#: What channels may be asked to be.
CHOICES = ("auto", "joint", "separate")
#: The tasks whose planes are what is sought and noise, and nothing else.
TASKS = ("denoise", "destripe")
#: The most values of all channels of a place, which take some 24 bytes each.
LARGEST_PLACE = 2**27
#: So many parts of the stack are looked at, of so many rows and columns at least and at most: fewer where many channels
#: leave few blocks of each to look at; and where in a plane each of the parts lies.
_PARTS, _LEAST_SIDE, _SIDE = 6, 128, 256
#: Of so many blocks one is taken at least where parts are smaller: neighbours show the same.
_SPREAD = 2
_PLACES = ((0.5, 0.5), (0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.5, 0.0))
#: The most values of detail that axes are found on, of blocks spread over these parts.
_MOST_DETAIL = 3_000_000
#: So many times as many blocks as channels are looked at in any case: axes that were found on few blocks make the noise
#: along the last of them look weak.
_LEAST_SHARE = 8
#: With more channels finding the axes takes gigabytes.
_MOST_CHANNELS = 256


@dataclass(frozen=True, eq=False)
class JointChannels:
    """What was found of the channels of a stack.

    Attributes
    ----------
    found : ChannelAxes or None
        Those that are denoised together; None: each by itself.
    reason : str
        Why each by itself; empty where some are denoised together.
    advice : str
        What "auto" would do with channels that were asked to be together and are expected to lose by that.
    """

    found: ChannelAxes | None
    reason: str = ""
    advice: str = ""

    def described(self) -> dict[str, Any]:
        """For the provenance, JSON-able."""
        if self.found is None:
            return {"together": [], "reason": self.reason}
        return {
            "together": list(self.found.together),
            "axes": [[round(weight, 8) for weight in axis] for axis in self.found.axes.tolist()],
            "expected_gain": [round(gain, 3) for gain in self.found.gains],
        }

    @property
    def in_words(self) -> str:
        """How the channels were restored, with what that is expected to gain."""
        if self.found is None:
            return "each channel by itself"
        return f"{_named(self.found.together)} together (expected to {_gained(self.found.mean_gain)})"


def check_channels(
    stack: Stack, channels: Any, request: Request, options: dict[str, Any], *, volumes: bool
) -> str | None:
    """Why channels are restored each by itself whatever they show; None where they may be denoised together.

    Parameters
    ----------
    stack : Stack
    channels : {"auto", "joint", "separate"}
    request : Request
    options : dict
        Of the task.
    volumes : bool
        Whether planes are restored as volumes.

    Raises
    ------
    OptionError
        In one line, where it is no such word, or they were asked to be together and cannot be.
    """
    if channels not in CHOICES:
        raise OptionError(
            Argument("channels"), f" must be one of {', '.join(map(repr, CHOICES))}, got {channels!r}"
        )
    if channels == "separate":
        return "that was asked for"
    hindrance = _hindrance(stack, request, options, volumes=volumes)
    if hindrance is None:
        return None
    if channels == "joint":
        raise OptionError(Argument("channels", "joint"), " ", *hindrance)
    return "".join(map(str, hindrance))


def _hindrance(
    stack: Stack, request: Request, options: dict[str, Any], *, volumes: bool
) -> tuple[Part, ...] | None:
    if stack.channels == 1:
        return (f"goes with a stack of several channels, an axis C, not with {stack.axes}",)
    if len(stack.plane_shape) == 3:
        return (f"goes with channels of grey planes, not of colours ({stack.axes})",)
    if stack.channels > _MOST_CHANNELS:
        return (f"goes with at most {_MOST_CHANNELS} channels, not {stack.channels}",)
    if request.task not in TASKS:
        return (f"goes with the tasks {' and '.join(map(repr, TASKS))}, not {request.task!r}",)
    if stack.channels * math.prod(stack.plane_shape) > LARGEST_PLACE:
        return (f"holds all channels of a place, here more than {LARGEST_PLACE / 1e6:.0f} million values",)
    term = options.get("data_term", "gaussian")
    known = term in ("gaussian", "poisson") if isinstance(term, str) else isinstance(term, Gaussian | Poisson)
    if not known:
        return ("goes with ", Argument("data_term", "gaussian"), " and 'poisson'")
    sigma = options.get("sigma")
    if sigma is not None and not is_number(sigma):
        return ("takes noise of one level in each channel, not an image of levels",)
    if volumes:
        return ("is done plane by plane: leave out ", Argument("volume", ...))
    if request.watch.callbacks:
        return ("has no image of a plane to watch: leave out callbacks=…",)
    return None


def joint_channels(
    stack: Stack,
    channels: str,
    hindrance: str | None,
    request: Request,
    options: dict[str, Any],
    survey: Survey,
    *,
    hidden: bool = True,
) -> JointChannels | None:
    """What is to be done with the channels; None for a stack that has none.

    Parameters
    ----------
    stack : Stack
    channels : {"auto", "joint", "separate"}
        "joint" turns all of them whose noise is known, whatever that is expected to gain.
    hindrance : str or None
        What :func:`check_channels` has said.
    request, options, survey
        As for :func:`zeroshot.planes.restored_planes`.
    hidden : bool
        Whether no progress is shown.

    Raises
    ------
    OptionError
        Where they were asked to be together, and the stack has no part to find their axes on.
    """
    if stack.channels == 1:
        return None
    if hindrance is not None:
        return JointChannels(None, hindrance)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what there is to say of the noise is said of the planes
        numbers, detail = _sampled(stack, options, survey, request.task, hidden=hidden)
    if detail is not None:
        judgement = judged(detail)
    elif len(numbers) < 2:
        judgement = Judgement(None, None, "fewer than two of them have noise of a known level")
    else:
        judgement = Judgement(None, None, "no part of the stack shows all of them with known values")
    if channels != "joint":
        found = judgement.found
        return JointChannels(None, judgement.reason) if found is None else JointChannels(_of(numbers, found))
    if judgement.whole is None:
        what = "too few pixels of two channels are known, and noisy, to find what they have in common"
        raise OptionError(Argument("channels", "joint"), f": {what}")
    return JointChannels(_of(numbers, judgement.whole), advice=_advice(numbers, judgement))


def _of(numbers: list[int], found: ChannelAxes) -> ChannelAxes:
    """Axes of those channels of a stack that were looked at."""
    return ChannelAxes(tuple(numbers[one] for one in found.together), found.axes, found.gains)


def _advice(numbers: list[int], judgement: Judgement) -> str:
    """What "auto" would do with channels of which a loss is to be expected; "" where none is."""
    whole, found = judgement.whole, judgement.found
    assert whole is not None
    if judgement.shares_noise or (found is None and min(whole.gains) < -MOST_LOST):
        return "keep them apart"
    if found is None:
        return ""
    left = tuple(
        numbers[one]
        for one, gain in zip(whole.together, whole.gains, strict=True)
        if one not in found.together and gain < -MOST_LOST
    )
    return f"leave {_named(left)} out" if left else ""


def say_joint(joint: JointChannels | None) -> None:
    """Tell the user of channels that are denoised together."""
    if joint is None or joint.found is None:
        return
    found = joint.found
    told = f"{_named(found.together)} are denoised together, which is expected to {_gained(found.mean_gain)}"
    if not joint.advice:
        note(OptionWarning(told, "; ", Argument("channels", "separate"), " keeps them apart"))
        return
    worst = min(range(len(found.gains)), key=lambda one: found.gains[one])
    if found.gains[worst] < -MOST_LOST:
        told += f", in channel {found.together[worst]} to {_gained(found.gains[worst])}"
    else:
        told += ", but their noise is not independent, so that they may lose"
    note(OptionWarning(told, "; ", Argument("channels", "auto"), f" would {joint.advice}"))


def _gained(decibels: float) -> str:
    return f"gain {decibels:.1f} dB" if round(decibels, 1) >= 0 else f"lose {-decibels:.1f} dB"


def _named(channels: tuple[int, ...]) -> str:
    first, last = channels[0], channels[-1]
    if first == last:
        return f"channel {first}"
    if last - first + 1 == len(channels) > 2:
        return f"channels {first} to {last}"
    return f"channels {', '.join(map(str, channels[:-1]))} and {last}"


# --- planes with noise of level 1 ---------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Whitened:
    """A plane whose noise has the level 1 everywhere.

    Attributes
    ----------
    values : torch.Tensor
        (H, W).
    level : float
        By what they were divided.
    noise : NoiseModel or None
        What the noise was before that, where it is not white.
    """

    values: torch.Tensor
    level: float
    noise: NoiseModel | None


def whitened(problem: Problem, picture: Picture) -> Whitened | None:
    """A measured grey plane with noise of level 1; None where it is not all known, or has no such noise."""
    if picture.visible is not None or not problem.is_denoising:
        return None
    if problem.sigma_map is not None or tuple(problem.y.shape[:2]) != (1, 1):
        return None
    values, level = problem.stabilised()
    noise = problem.coloured_noise()
    if noise is not None:
        level = noise.sigma
        if noise.rows or noise.columns or noise.impulses:
            return None
    if not level > 0:
        return None
    return Whitened(values[0, 0] / level, level, noise)


def _sampled(
    stack: Stack, options: dict[str, Any], survey: Survey, task: str, *, hidden: bool = True
) -> tuple[list[int], torch.Tensor | None]:
    """Which channels have noise that is known, and the detail of some parts of the stack in these."""
    own, parts, at = PlaneOptions(stack, options), [], stack.counted.index("C")
    strength = float(options.get("strength") or 1.0)
    channels = list(range(stack.channels))
    places = _places(stack)
    # Short comparisons are not worth a bar.
    bar = tqdm(
        total=len(places) * len(channels), desc="comparing channels", unit="plane", disable=hidden, leave=False,
        delay=2,
    )  # fmt: skip
    with bar:
        for place, rows, columns in places:
            planes: dict[int, torch.Tensor] = {}
            for channel in channels:
                bar.update()
                index = (*place[:at], channel, *place[at:])
                plane, found = stack.plane(index)[rows, columns], survey.channels[channel]
                if is_empty(plane, None):
                    continue
                told = own.of(index, found)
                picture = picture_of(plane, found)
                seen = whitened(make_problem(task, picture, told)[0], picture)
                if seen is not None:
                    planes[channel] = seen.values * strength
            parts.append(planes)
    # What a channel shows in none of the parts is known of none of it; a part in which others are unknown is left out.
    shown = [one for one in channels if any(one in planes for planes in parts)]
    whole = [planes for planes in parts if all(one in planes for one in shown)]
    if len(shown) < 2 or not whole:
        return shown, None
    most = _most_blocks(len(shown)) * len(shown) * (BLOCK**2 - 1) // len(whole)
    return shown, torch.cat([_thinned([planes[one] for one in shown], most) for planes in whole], dim=2)


def _most_blocks(channels: int) -> int:
    """How many blocks of each channel axes are found on at most."""
    return max(_MOST_DETAIL // (channels * (BLOCK**2 - 1)), _LEAST_SHARE * channels)


def _thinned(planes: list[torch.Tensor], most: int) -> torch.Tensor:
    """The detail of blocks spread over planes, at most so many values."""
    detail = detail_of(torch.stack(planes))
    step = max(1, math.ceil(detail.numel() / most))
    return detail[..., ::step].clone()


def _places(stack: Stack) -> list[tuple[Index, slice, slice]]:
    """The parts that are looked at: where along the axes other than C, and which rows and columns."""
    others = [length for axis, length in zip(stack.counted, stack.lengths, strict=True) if axis != "C"]
    count = math.prod(others)
    height, width = stack.plane_shape[:2]
    blocks = _SPREAD * _most_blocks(stack.channels) / _PARTS
    side = min(_SIDE, max(_LEAST_SIDE, BLOCK * math.ceil(math.sqrt(blocks))))
    chosen: dict[tuple[Index, int, int], tuple[Index, slice, slice]] = {}
    for number, (down, along) in enumerate(_PLACES[:_PARTS]):
        which = int((number + 0.5) * count / _PARTS)
        place = next(itertools.islice(itertools.product(*map(range, others)), which, None))
        top, left = int(down * max(0, height - side)), int(along * max(0, width - side))
        chosen[(place, top, left)] = (place, slice(top, top + side), slice(left, left + side))
    return list(chosen.values())


def say_apart(count: int) -> None:
    """Tell the user of planes that were restored by themselves though others of their channels were not."""
    if count:
        note(f"{counted(count, 'plane')} with unknown values or other noise were denoised by themselves")
