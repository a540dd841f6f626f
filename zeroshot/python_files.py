"""The user's own Python files, which are run as scripts are: methods to compare, generators."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

#: What ends a script, beside errors: it must not end who runs it, as if all were done.
ENDINGS = (SystemExit, GeneratorExit)


def module_in(path: Path) -> ModuleType:
    """The module in this file; the same one however often it is asked for.

    The file is run; modules beside it can be imported, as in a script.

    Raises
    ------
    ImportError
        Where something that it imports is missing.
    ValueError
        Where it is no Python file, or cannot be run.
    """
    path = path.resolve()
    # Two files of one name are two modules; data classes look theirs up by its name.
    name = f"zeroshot_user_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except ImportError:
        del sys.modules[name]
        raise
    except (Exception, *ENDINGS) as error:
        del sys.modules[name]
        raise ValueError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    return module
