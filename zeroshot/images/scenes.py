"""Files with several images, which microscopes call scenes, positions or series: the one that is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from zeroshot.images.errors import ImageError
from zeroshot.spelling import Argument, Part, Text

#: How many names a message lists.
_MOST_NAMED = 6


def chosen_scene(
    names: Sequence[str], scene: int | str | None, what: str, first: int = 0
) -> tuple[int, tuple[Part, ...]]:
    """The place of a scene among those of a file, and what there is to tell.

    Parameters
    ----------
    names : sequence of str
        Of all scenes.
    scene : int, str or None
        A number, from 1, or a name; a text that is no name may be a number. None takes `first`.
    what : str
        What the file calls a scene: "image".
    first : int
        Which is taken where nobody has asked for one.

    Raises
    ------
    ImageError
        In one line, where there is none such.
    """
    if not names:
        raise ImageError(f"holds no {what}")
    if scene is None:
        if len(names) == 1:
            return first, ()
        taken = f"{what} {first + 1} of {len(names)}, {names[first]!r}, is taken; choose another with "
        return first, (Text(taken, Argument("scene", ...), f": {_listed(names)}"),)
    if isinstance(scene, str) and scene in names:
        return names.index(scene), ()
    number = int(scene) if isinstance(scene, str) and scene.isdecimal() else scene
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= len(names):
        return number - 1, ()
    are = f"one of its {len(names)} {what}s, by number or name" if len(names) > 1 else f"its only {what}"
    known = f" is not {are}: {_listed(names)}"
    raise ImageError(Argument("scene", scene), known)


def _listed(names: Sequence[str]) -> str:
    listed = ", ".join(f"{number} {name!r}" for number, name in enumerate(names[:_MOST_NAMED], 1))
    return listed + (", …" if len(names) > _MOST_NAMED else "")
