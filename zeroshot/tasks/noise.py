"""The options that all tasks have: the noise, and the distance to the measurement that is minimised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zeroshot.spelling import Argument, OptionError, Part, Text, Wording, flag
from zeroshot.tasks.options import (
    Choice,
    GreyLevels,
    GreyLevelsOrPicture,
    Option,
    OptionType,
    Portion,
    Positive,
    PositiveOrAuto,
    Share,
    listed,
)

_TERMS = ("gaussian", "poisson", "l1", "huber")
_ACCEPTED = Wording(f": {', '.join(map(repr, _TERMS))} or a DataTerm", f": {listed(_TERMS)}")


@dataclass(frozen=True)
class DataTermChoice(Choice):
    """The name of a data term, or in Python a DataTerm."""

    words: tuple[str, ...] = _TERMS
    forms: Part = _ACCEPTED

    def check(self, name: str, value: Any) -> None:
        # What is no text is looked at by those who have loaded the class of data terms.
        if isinstance(value, str) and value not in self.words:
            raise unknown_data_term(value)


PHOTONS = Positive(wanted="a positive number of photons")
DATA_TERM = Option("data_term", DataTermChoice(), "what is minimised", "gaussian", expert=True)
_SIGMA = "standard deviation of the noise"
#: What only the task that takes noise away is told of it.
MEASURED = Option("sigma", GreyLevelsOrPicture(), _SIGMA, None)
NOISE_MODEL = Option(
    "noise",
    OptionType(
        Wording(
            ": a NoiseModel, or the file of one that zeroshot inspect has written, in place of sigma",
            ": the file of a noise model that zeroshot inspect has written, in place of --sigma",
        ),
        is_file=True,
    ),
    "what the noise is",
    None,
    expert=True,
)
STRENGTH = Option(
    "strength",
    Positive(
        ": 1 takes the noise for what it is estimated or said to be, less keeps more of it, more removes more"
    ),
    "how strong the noise is taken to be",
    1.0,
)
GRAIN = Option("grain", Portion(), "share of what was removed that is given back as grain", 0.0)
PEAK_OR_AUTO = Option(
    "peak",
    PositiveOrAuto(wanted="a positive number of photons or 'auto'"),
    Text(
        "with ",
        Argument("data_term", "poisson"),
        ": how many photons make white; 'auto', which needs nothing beside it, finds that and the readout noise in the "
        "image",
    ),
    None,
    expert=True,
)
_ESTIMATED = Option("sigma", GreyLevels(), _SIGMA, None)
_KNOWN = Option("sigma", GreyLevels(), _SIGMA, 0.0)
_PEAK = Option(
    "peak",
    PHOTONS,
    Text("with ", Argument("data_term", "poisson"), ": how many photons make white"),
    None,
    expert=True,
)
#: What a task is told of the noise, with a level that is estimated, or 0, where none is given.
NOISY, CLEAN = (_ESTIMATED, DATA_TERM, _PEAK), (_KNOWN, DATA_TERM, _PEAK)

#: What adds noise, in the damage of any task; at most one of them.
NOISE = (
    Option(
        "sigma",
        GreyLevels(Wording(" on the [0, 1] scale", " in 8-bit grey levels"), estimated=False),
        "Gaussian noise: its standard deviation",
        None,
    ),
    Option("peak", PHOTONS, "photon noise: how many photons make white", None),
    Option("salt_pepper", Share(), "share of the pixels that become black or white", None),
)


def check_data_term(options: Mapping[str, Any]) -> None:
    """Refuse photon noise without a number of photons, and that number with other noise."""
    chosen = options.get("data_term")
    if options.get("peak") not in (None, "auto") and not (isinstance(chosen, str) and chosen == "poisson"):
        raise OptionError(Argument("peak", ...), " goes with ", Argument("data_term", "poisson"))
    if isinstance(chosen, str) and chosen == "poisson" and options.get("peak") is None:
        needs = Argument("data_term", "poisson"), " needs ", Argument("peak", ...)
        raise OptionError(*needs, ": how many photons make white")


def unknown_data_term(value: Any) -> OptionError:
    """The error for what is no data term."""
    known = Wording(f"{', '.join(map(repr, _TERMS))} or a DataTerm", listed(_TERMS))
    return OptionError(Argument("data_term"), " must be ", known, f", got {value!r}")


def check_told_noise(options: Mapping[str, Any]) -> None:
    """Refuse what says twice what the noise is."""
    if options["peak"] == "auto":
        poisson = isinstance(options["data_term"], str) and options["data_term"] in ("gaussian", "poisson")
        if options["sigma"] is not None or options["noise"] is not None or not poisson:
            raise OptionError(
                Argument("peak", "auto"),
                " estimates the noise of photons: leave out ",
                *(Argument("sigma", ...), ", ", Argument("noise", ...), " and other data terms"),
            )
    if options["noise"] is None:
        return
    named = Argument("noise", ...)
    if options["sigma"] is not None:
        raise OptionError(
            named, " and ", Argument("sigma", ...), " both say what the noise is; give one of them"
        )
    if options["peak"] is not None or options["data_term"] != "gaussian":
        raise OptionError(
            named, " goes with ", Argument("data_term", "gaussian"), ": the model has the law of the noise"
        )


def check_noise(given: Mapping[str, Any]) -> None:
    """Refuse several kinds of noise at once."""
    kinds = kinds_of_noise(given)
    if len(kinds) > 1:
        named = Wording(" and ".join(kinds), " and ".join(map(flag, kinds)))
        raise OptionError(named, " are different kinds of noise; give one of them")


def kinds_of_noise(given: Mapping[str, Any]) -> list[str]:
    """The names of the noises that `given` asks for."""
    return [option.name for option in NOISE if option.name in given and given[option.name] > 0]
