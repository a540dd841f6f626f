"""One server for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.client import App


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    pytest.importorskip("uvicorn", reason="needs the extra app")
    app = App(Path(tmp_path_factory.mktemp("app")))
    yield app
    app.close()
