"""Named weights: where they are published, under which terms, and what they make; downloaded when first used.

Files lie in the user's cache, or in the folder that the environment variable ZEROSHOT_WEIGHTS names, which comes
first, so that a machine without a network can be given them. A download that breaks off is resumed, provided that the
file has not changed at its source; what arrives is compared with the published checksum, or, where none is published,
with that of the first download. ZEROSHOT_MIRROR may name one more address, which is asked for every file that its
publisher does not give.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from zeroshot.files import appended, write_atomically
from zeroshot.locks import held, lock_file
from zeroshot.terminal import is_terminal

_NVIDIA = (
    "Nvidia Source Code License (non-commercial): https://github.com/NVlabs/stylegan3/blob/main/LICENSE.txt"
)
_NGC = "https://api.ngc.nvidia.com/v2/models/nvidia/research"
_LISTED = "https://github.com/NVlabs/stylegan3"
_ADA = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained"
_ADA_LISTED = "https://github.com/NVlabs/stylegan2-ada-pytorch"
_ALIGNED = "faces cropped and aligned as in FFHQ (zeroshot align)"


@dataclass(frozen=True)
class Entry:
    """One file of published weights.

    Attributes
    ----------
    addresses : tuple of str
        Where to download it, tried in this order.
    licence : str
        Its terms, and where they are written.
    domain : str
        What its images show.
    alignment : str
        How the image must be cropped.
    source : str
        The public page that gives the addresses.
    sha256 : str or None
        The published checksum, or its first digits.
    """

    addresses: tuple[str, ...]
    licence: str
    domain: str
    alignment: str
    source: str
    sha256: str | None = None

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.addresses[0].rpartition("/")[2]


def _ngc(collection: str, file: str, domain: str, alignment: str) -> Entry:
    address = f"{_NGC}/{collection}/versions/1/files/{file}"
    return Entry((address,), _NVIDIA, domain, alignment, _LISTED)


def _ada(file: str, domain: str, alignment: str) -> Entry:
    """Weights trained with adaptive augmentation: other files than those of similar names above."""
    return Entry((f"{_ADA}/{file}",), _NVIDIA, domain, alignment, _ADA_LISTED)


ENTRIES: dict[str, Entry] = {
    "stylegan2-ffhq-1024": _ngc("stylegan2", "stylegan2-ffhq-1024x1024.pkl", "faces", _ALIGNED),
    "stylegan2-ffhq-512": _ngc("stylegan2", "stylegan2-ffhq-512x512.pkl", "faces", _ALIGNED),
    "stylegan2-ffhq-256": _ngc("stylegan2", "stylegan2-ffhq-256x256.pkl", "faces", _ALIGNED),
    "stylegan2-celebahq-256": _ngc("stylegan2", "stylegan2-celebahq-256x256.pkl", "faces", _ALIGNED),
    "stylegan2-metfaces-1024": _ngc(
        "stylegan2", "stylegan2-metfaces-1024x1024.pkl", "painted faces", _ALIGNED
    ),
    "stylegan2-afhqcat-512": _ngc(
        "stylegan2", "stylegan2-afhqcat-512x512.pkl", "cats", "the head fills the image"
    ),
    "stylegan2-afhqdog-512": _ngc(
        "stylegan2", "stylegan2-afhqdog-512x512.pkl", "dogs", "the head fills the image"
    ),
    "stylegan2-afhqwild-512": _ngc(
        "stylegan2", "stylegan2-afhqwild-512x512.pkl", "wild animals", "the head fills the image"
    ),
    "stylegan2-brecahad-512": _ngc(
        "stylegan2", "stylegan2-brecahad-512x512.pkl", "breast cancer histology", "none"
    ),
    "stylegan2-lsundog-256": _ngc("stylegan2", "stylegan2-lsundog-256x256.pkl", "dogs in scenes", "none"),
    "stylegan3-t-ffhq-1024": _ngc("stylegan3", "stylegan3-t-ffhq-1024x1024.pkl", "faces", _ALIGNED),
    "stylegan3-r-ffhq-1024": _ngc("stylegan3", "stylegan3-r-ffhq-1024x1024.pkl", "faces", _ALIGNED),
    "stylegan3-t-metfaces-1024": _ngc(
        "stylegan3", "stylegan3-t-metfaces-1024x1024.pkl", "painted faces", _ALIGNED
    ),
    "stylegan3-r-afhqv2-512": _ngc(
        "stylegan3", "stylegan3-r-afhqv2-512x512.pkl", "animals", "the head fills the image"
    ),
    "stylegan2-ada-ffhq-1024": _ada("ffhq.pkl", "faces", _ALIGNED),
    "stylegan2-ada-metfaces-1024": _ada("metfaces.pkl", "painted faces", _ALIGNED),
    "stylegan2-ada-afhqcat-512": _ada("afhqcat.pkl", "cats", "the head fills the image"),
    "stylegan2-ada-afhqdog-512": _ada("afhqdog.pkl", "dogs", "the head fills the image"),
    "stylegan2-ada-afhqwild-512": _ada("afhqwild.pkl", "wild animals", "the head fills the image"),
    "stylegan2-ada-brecahad-512": _ada("brecahad.pkl", "breast cancer histology", "none"),
    "taef2-decoder": Entry(
        (
            "https://github.com/madebyollin/taesd/raw/5cccb12dc72074a4be35680c3b108548a7c69978/"
            "taef2_decoder.pth",
        ),
        "MIT: https://github.com/madebyollin/taesd/blob/main/LICENSE",
        "any photograph (autoencoder of the FLUX.2 latents)",
        "none",
        "https://github.com/madebyollin/taesd",
        "0a44a31e1ae59eb9dbf9359d24942fd3ef5928162c1800d97a28c61d51be0ab5",
    ),
    "vgg16": Entry(
        ("https://download.pytorch.org/models/vgg16-397923af.pth",),
        "BSD-3-Clause: https://github.com/pytorch/vision/blob/main/LICENSE",
        "features of photographs (ImageNet)",
        "none",
        "https://github.com/pytorch/vision/blob/main/torchvision/models/vgg.py",
        "397923af",
    ),
    "vgg19": Entry(
        ("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",),
        "BSD-3-Clause: https://github.com/pytorch/vision/blob/main/LICENSE",
        "features of photographs (ImageNet)",
        "none",
        "https://github.com/pytorch/vision/blob/main/torchvision/models/vgg.py",
        "dcbb9e9d",
    ),
}


class ChecksumError(ValueError):
    """A file differs from the published one, or from the first download."""


def names() -> list[str]:
    """The names of all weights, sorted."""
    return sorted(ENTRIES)


def cache_folder() -> Path:
    """Where downloads are kept."""
    return Path(_pooch().os_cache("zeroshot")) / "weights"


def fetch(name: str, progress: str = "bar", say: Callable[[str], None] | None = None) -> Path:
    """The file of the weights of this name: from the offline folder, the cache, or its publisher.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    progress : {"bar", "none"}
        Whether to show how far a download has come.
    say : callable, optional
        Receives the terms before the first download; by default they go to standard error.

    Raises
    ------
    ValueError
        Where the name is unknown.
    ChecksumError
        Where the file is not the published one; it is kept aside as NAME.rejected.
    OSError
        Where no address can be reached; the message names each with its reason, and the offline folder.
    """
    if name not in ENTRIES:
        raise ValueError(f"there are no weights {name!r}; there are: {', '.join(names())}")
    entry = ENTRIES[name]
    offline = os.environ.get("ZEROSHOT_WEIGHTS")
    if offline:
        path = Path(offline).expanduser() / entry.file
        if path.is_file():
            _require_checksum(path, entry.sha256, f"{entry.file} in ZEROSHOT_WEIGHTS")
            return path
    path = cache_folder() / entry.file
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with held(lock_file(path), f"{path}: another process is downloading it", patient=True):
            # Another process may have fetched it meanwhile.
            if not path.is_file():
                (say or _say)(f"{name}: {entry.domain}; from {entry.source}; terms: {entry.licence}")
                _download(entry, path, progress)
    what = f"{path} (to download it again, remove it and {_record(path)})"
    _require_checksum(path, _known_checksum(path, entry), what)
    return path


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _pooch() -> Any:
    try:
        import pooch
    except ImportError as error:
        raise ImportError('named weights need pooch: pip install "zeroshot-restore[generators]"') from error
    return pooch


def _record(path: Path) -> Path:
    """The file with the checksum of the first download."""
    return path.with_name(path.name + ".sha256")


def _known_checksum(path: Path, entry: Entry) -> str | None:
    if entry.sha256 is not None:
        return entry.sha256
    with contextlib.suppress(OSError):
        return _record(path).read_text().strip() or None
    return None


#: Files that this process has verified: path, time of change, size and checksum.
_verified: set[tuple[str, int, int, str]] = set()


def _require_checksum(path: Path, wanted: str | None, what: str) -> None:
    """ChecksumError unless the file has the checksum; a verified file is read again only if it changed."""
    if wanted is None:
        return
    about = path.stat()
    seen = (str(path), about.st_mtime_ns, about.st_size, wanted)
    if seen in _verified:
        return
    found = _pooch().file_hash(str(path))
    if not found.startswith(wanted):
        raise ChecksumError(
            f"{what} is not the published file: its sha256 is {found[:16]}…, wanted {wanted[:16]}…"
        )
    _verified.add(seen)


def _addresses(entry: Entry) -> tuple[str, ...]:
    mirror = os.environ.get("ZEROSHOT_MIRROR")
    return (*entry.addresses, f"{mirror.rstrip('/')}/{entry.file}") if mirror else entry.addresses


def _download(entry: Entry, path: Path, progress: str) -> None:
    """Download from the first address that gives the right file."""
    failures: list[Exception] = []
    for address in _addresses(entry):
        # A download is never resumed from another address, whose file may differ.
        place = hashlib.sha256(address.encode()).hexdigest()[:8]
        part = path.with_name(f"{path.name}.{place}.part")
        try:
            _receive(address, part, progress)
            _require_checksum(part, _known_checksum(path, entry), f"what {address} sent")
        except ChecksumError as error:
            # A wrong file must not be resumed.
            os.replace(part, path.with_name(path.name + ".rejected"))
            _validator_file(part).unlink(missing_ok=True)
            failures.append(error)
        except OSError as error:
            failures.append(OSError(f"{address}: {error}"))
        else:
            write_atomically(_record(path), f"{_pooch().file_hash(str(part))}\n".encode())
            _validator_file(part).unlink(missing_ok=True)
            os.replace(part, path)
            return
    if all(isinstance(failure, ChecksumError) for failure in failures):
        raise failures[-1]
    raise OSError(
        f"{entry.file} could not be had: {'; '.join(map(str, failures))}. A copy in the folder that "
        "ZEROSHOT_WEIGHTS names is used instead"
    )


def _validator_file(part: Path) -> Path:
    """The file with the version of what is being downloaded."""
    return part.with_name(part.name + ".version")


def _validator(headers: Any) -> str | None:
    """The server's name for this version of a file; only strong tags promise the same bytes."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified")


def _receive(address: str, part: Path, progress: str) -> None:
    """Append what is missing of the file, or start anew where it has changed or cannot be resumed."""
    import requests

    version = _validator_file(part)
    known = version.read_text() if version.exists() else ""
    have = part.stat().st_size if part.exists() and known else 0
    # Compressed on the way, the bytes would not continue those received.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": known}
    with requests.get(address, headers=headers, stream=True, timeout=30) as answer:
        if answer.status_code == 416 and have:
            if answer.headers.get("Content-Range", "").replace(" ", "") == f"bytes*/{have}":
                return  # Nothing is missing.
            version.unlink()
            return _receive(address, part, progress)
        answer.raise_for_status()
        goes_on = answer.status_code == 206
        if goes_on and not _continues(answer.headers, have, known):
            version.unlink(missing_ok=True)
            raise OSError("the server sent another part of the file than asked for; the next try starts anew")
        if not goes_on:
            have = 0
            version.unlink(missing_ok=True)
        _append(answer, part, "ab" if goes_on else "wb", have, progress)


def _continues(headers: Any, have: int, known: str) -> bool:
    """Whether a partial answer continues where ours ends, in the same version of the file."""
    place = headers.get("Content-Range", "")
    return place.startswith(f"bytes {have}-") and _validator(headers) in (None, known)


def _part_file(part: Path, mode: str) -> BinaryIO:
    """What was received so far, to be gone on with ("ab") or begun anew ("wb"); never through a link."""
    if mode == "wb":
        part.unlink(missing_ok=True)
    return appended(part)


def _append(answer: Any, part: Path, mode: str, have: int, progress: str) -> None:
    length, received = int(answer.headers.get("Content-Length", 0)), 0
    with _part_file(part, mode) as file, _progress_bar(progress, part.stem, length + have, have) as bar:
        name = _validator(answer.headers)
        if name:
            write_atomically(_validator_file(part), name.encode())
        for piece in answer.iter_content(1 << 16):
            file.write(piece)
            received += len(piece)
            bar.update(len(piece))
    if length and received < length:
        raise OSError(
            f"the transfer broke off after {received} of {length} bytes; the next try goes on from there"
        )


def _progress_bar(progress: str, what: str, total: int, initial: int) -> Any:
    from tqdm import tqdm

    hidden = progress != "bar" or not is_terminal(sys.stderr)
    return tqdm(total=total or None, initial=initial, unit="B", unit_scale=True, desc=what, disable=hidden)
