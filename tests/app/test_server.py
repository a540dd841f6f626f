"""The page's server, asked as its page asks it: who may, what it takes, and what it makes of it."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zeroshot
from tests.app.client import ENDLESS, App, noisy, png, until
from tests.cli.commands import run as run_command
from zeroshot import images
from zeroshot.app import downloads


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.fixture(scope="module")
def photo(app: App) -> str:
    """A picture for runs that nothing is painted on; each that is brought is looked at, and that takes its time."""
    return app.bring(noisy())


# --- who may ask -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/page/main.js", "/tables", "/news", "/?token=", "/?token=x", "/?token=é"]
)
def test_nothing_is_told_without_the_token(app: App, path: str) -> None:
    status, body, headers = app.ask(path.replace("é", "%E9"), headers={"Cookie": ""})
    assert status == 403
    assert b"zeroshot app" in body
    assert "set-cookie" not in headers


def test_the_token_of_the_address_becomes_a_cookie_that_other_sites_cannot_send(app: App) -> None:
    status, body, headers = app.ask(f"/?token={app.token}", headers={"Cookie": ""})
    assert status == 200
    assert b"<title>zeroshot</title>" in body
    assert app.token.encode() not in body
    name, _, rest = headers["set-cookie"].partition("=")
    assert rest.split("; ") == [app.token, "HttpOnly", "SameSite=Strict", "Path=/"]
    assert app.ask("/tables", headers={"Cookie": f"{name}={app.token}"})[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "example.com"},
        {"Host": "127.0.0.1"},
        {"Origin": "http://example.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_a_foreign_name_or_page_is_refused_even_with_the_token(app: App, headers: dict[str, str]) -> None:
    assert app.ask("/news", headers=headers)[0] == 403
    assert app.ask("/runs", "POST", b"{}", headers)[0] == 403


def test_the_page_may_load_nothing_from_elsewhere(app: App) -> None:
    _, body, headers = app.ask("/")
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert not re.search(r"https?:|//", " ".join(policy.values()))
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert not re.search(rb"(src|href)=\"(https?:)?//", body)


# --- what it takes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "the file is empty"), (b"no picture at all", "is not a PNG"), (png(noisy())[:300], "damaged")],
)
def test_what_is_no_picture_is_refused_in_one_line(app: App, data: bytes, said: str) -> None:
    before = app.json("/news")["pictures"]
    told = app.refusal("/pictures?name=photo.png", "POST", data)
    assert said in told["error"]
    assert app.json("/news")["pictures"] == before


def test_what_is_too_large_is_refused_before_it_is_sent(app: App) -> None:
    with socket.create_connection(("127.0.0.1", app.port)) as line:
        head = f"POST /pictures?name=a.png HTTP/1.1\r\nHost: 127.0.0.1:{app.port}\r\n"
        head += f"Cookie: zeroshot-{app.port}={app.token}\r\nContent-Length: 200000000\r\n\r\n"
        line.sendall(head.encode())
        answer = b""
        while b"larger than 100 MB" not in answer and (part := line.recv(4096)):  # it may come in parts
            answer += part
    assert b" 413 " in answer
    assert b"larger than 100 MB" in answer


def test_a_name_leads_nowhere_and_comes_back(app: App) -> None:
    id = app.bring(noisy(), "../../my photo.png")
    assert app.picture(id)["name"] == "my photo.png"
    assert "my photo.png" in app.ask(f"/pictures/{id}/given")[2]["content-disposition"].replace("%20", " ")


def test_what_is_wrong_is_found_and_what_would_mend_it(app: App) -> None:
    id = app.bring(noisy(128))
    picture = until(lambda: (found := app.picture(id))["looked"] and found)
    assert any(one["topic"] == "noise" for one in picture["found"])
    assert picture["remedies"][0] == {"task": "denoise", "options": {}}
    assert np.array_equal(decoded(app.ask(f"/pictures/{id}/shown")[1]), noisy(128))


@pytest.mark.parametrize(
    ("form", "field", "said"),
    [
        ({"options": {"sigma": "much"}}, "sigma", "8-bit grey levels from 0 to 255"),
        ({"options": {"sigma": "25", "mask": "x"}}, None, "no option 'mask'"),
        ({"task": "sr"}, "scale", "needs scale"),
        ({"task": "inpaint"}, "mask", "needs mask"),
        ({"task": "sr", "options": {"scale": "1.5"}}, "scale", "whole number from 2 to 16"),
        ({"task": "deblur", "options": {"kernel": "/etc/passwd"}}, "kernel", "only files that were brought"),
        ({"task": "restore", "options": {"operator": "blur('x.png')"}}, "operator", "only files that were brought"),
        ({"prior": "nothing"}, "prior", "no prior"),
        ({"prior": "pulse"}, "prior", "prior 'pulse' needs weights"),
        ({"tile": "7"}, "tile", "a whole number of at least 32"),
        ({"samples": "many"}, "samples", "a whole number from 1 to 1000"),
        ({"value_range": "9,1"}, "value_range", "two numbers LOW,HIGH"),
        ({"settings": {"bogus": "1"}}, "bogus", "no setting"),
        ({"seconds": "-1"}, "seconds", "positive number of seconds"),
        ({"seed": "x"}, "seed", "whole number"),
        ({"picture": "p999"}, None, "not here any more"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_refused_at_its_field(
    app: App, photo: str, form: dict, field: str | None, said: str
) -> None:
    told = app.refusal("/runs", "POST", {"picture": photo, "task": "denoise", **form})
    assert said in told["error"]
    assert told["field"] == field
    assert "--" not in told["error"]


# --- what it makes -----------------------------------------------------------------------------------------


def test_a_run_is_the_same_as_its_command_and_as_its_python(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    id = app.bring(noisy(), "my photo.png")
    run = app.ended(
        app.start(id, prior="tv", options={"sigma": "20"}, settings={"discrepancy": "1.0"}, seed="3")
    )
    assert run["state"] == "done"
    status, result, headers = app.ask(f"/runs/{run['id']}/result")
    assert status == 200
    assert "denoised.png" in headers["content-disposition"]
    (tmp_path / "my photo.png").write_bytes(png(noisy()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert run["command"] == (
        "zeroshot denoise 'my photo.png' --prior tv --sigma 20 --set discrepancy=1.0 --seed 3"
    )
    code, _, errors = run_command([*shlex.split(run["command"])[1:], "--threads", "1"], capsys)
    assert code == 0, errors
    output = tmp_path / "my photo.denoised.png"
    assert output.read_bytes() == result
    output.unlink()
    exec(run["python"], {})
    assert np.array_equal(decoded(output.read_bytes()), decoded(result))


def test_the_result_says_how_it_was_made_and_not_where(app: App, photo: str, tmp_path: Path) -> None:
    run = app.ended(app.start(photo, options={"sigma": "20"}))
    path = tmp_path / "result.png"
    path.write_bytes(app.ask(f"/runs/{run['id']}/result")[1])
    provenance = images.read_provenance(path)
    assert provenance is not None
    assert provenance["prior"] == "tv"
    assert provenance["sigma"] == pytest.approx(20 / 255)
    assert "zeroshot-app" not in str(provenance)
    assert len(run["curve"]) >= 3
    assert run["curve"][0][1] > run["curve"][-1][1]


def test_what_is_painted_is_filled_and_nothing_else_is_touched(app: App) -> None:
    picture = noisy(sigma=0)
    id = app.bring(picture)
    mask = np.full((64, 64), 255, np.uint8)
    mask[20:30, 20:40] = 0
    mask[30, 20:40] = 180  # the soft edge of a brush
    app.json(f"/pictures/{id}/layers/inpaint/mask", "PUT", png(mask))
    kept = decoded(app.ask(f"/pictures/{id}/layers/mask")[1])
    assert np.array_equal(np.unique(kept), [0, 255])
    assert (kept[20:30, 20:40] == 0).all()
    assert (kept[30] == 255).all()
    run = app.ended(app.start(id, task="inpaint", prior="tv"))
    assert run["state"] == "done", run
    assert run["command"] == "zeroshot inpaint photo.png --prior tv --mask photo.mask.png"
    result = decoded(app.ask(f"/runs/{run['id']}/result")[1])
    changed = (result != picture).any(axis=2)
    assert changed[20:30, 20:40].mean() > 0.5
    assert not changed[mask >= 128].any()
    # What is taken away again is not there any more.
    app.json(f"/pictures/{id}/layers/inpaint/mask", "PUT", b"")
    assert app.refusal("/runs", "POST", {"picture": id, "task": "inpaint"})["field"] == "mask"


def test_a_result_is_taken_away_in_each_format_with_its_provenance(app: App, tmp_path: Path) -> None:
    id = app.bring(noisy())
    run = app.ended(app.start(id, options={"sigma": "20"}, tile="48", value_range="0,255"))
    assert run["state"] == "done", run
    assert run["command"].endswith("--sigma 20 --tile 48 --range=0,255")
    whole = decoded(app.ask(f"/runs/{run['id']}/result")[1])
    formats = [row["name"] for row in app.json("/tables")["formats"]]
    assert {"png8", "png16", "tiff", "jpeg", "webp"} <= set(formats)
    for name in formats:
        assert app.ask(f"/runs/{run['id']}/formats/{name}", "POST")[0] == 204
        status, data, headers = app.ask(f"/runs/{run['id']}/result?format={name}")
        assert status == 200
        one = downloads.FORMATS[name]
        assert f"photo.denoised{one.suffix}" in headers["content-disposition"]
        path = tmp_path / f"{name}{one.suffix}"
        path.write_bytes(data)
        provenance = images.read_provenance(path)
        assert provenance is not None, name
        assert (provenance["prior"], provenance["sigma"]) == ("tv", pytest.approx(20 / 255))
        if name == "fits":  # three planes, which are no picture for load
            hdu = pytest.importorskip("astropy.io.fits").open(path)[0]
            assert (hdu.data.shape, hdu.data.dtype.itemsize) == ((3, 64, 64), 2)
            continue
        read = images.load(path)
        given = read.as_given()
        assert given.dtype.itemsize * 8 == one.bits
        shown = read.colours[0].movedim(0, -1).numpy() * 255
        assert np.abs(shown - whole).mean() < (3 if read.lossy or name == "heic" else 0.51)
        if one.bits == 16:  # more than the 8 bits of the picture
            assert (given % 257 != 0).mean() > 0.9
    assert app.ask(f"/runs/{run['id']}/formats/gif", "POST")[0] == 404


def test_what_a_format_cannot_hold_is_told_before_it_is_downloaded(app: App) -> None:
    id = app.bring(np.full((1, 17000), 90, np.uint8))
    run = app.ended(app.start(id, options={"sigma": "0"}))
    assert run["state"] == "done", run
    told = app.refusal(f"/runs/{run['id']}/formats/webp", "POST", b"")
    assert told["error"] == "WEBP holds at most 16383 pixels a side, not 17000 × 1; use PNG or TIFF"
    assert app.ask(f"/runs/{run['id']}/formats/tiff", "POST")[0] == 204


def test_hints_of_colour_reach_the_result(app: App) -> None:
    grey = noisy(32, sigma=0).mean(axis=2).round().astype(np.uint8)
    id = app.bring(grey)
    hints = np.zeros((32, 32, 4), np.uint8)
    hints[15:17, 5:25] = (200, 80, 60, 255)
    app.json(f"/pictures/{id}/layers/colorize/hints", "PUT", png(hints))
    run = app.ended(app.start(id, task="colorize", prior="tv"))
    assert run["state"] == "done", run
    result = decoded(app.ask(f"/runs/{run['id']}/result")[1]).astype(float)
    assert (result[..., 0] - result[..., 2]).mean() > 10


def test_runs_wait_for_each_other_stop_and_go_on(app: App, photo: str) -> None:
    first = app.start(photo, options={"sigma": "20"}, prior="tgv", settings=ENDLESS)
    second = app.start(photo, options={"sigma": "20"})
    until(lambda: app.run(first)["preview"])
    assert app.run(second)["state"] == "waiting"
    assert app.ask(f"/runs/{first}/preview")[1][:2] == b"\xff\xd8"
    app.json(f"/runs/{first}/stop", "POST")
    stopped = app.ended(first)
    assert (stopped["state"], stopped["continues"]) == ("stopped", True)
    assert stopped["result"]["iterations"] > 0
    assert decoded(app.ask(f"/runs/{first}/result")[1]).shape == (64, 64, 3)
    assert app.ended(second)["state"] == "done"
    app.json(f"/runs/{first}/continue", "POST")
    until(lambda: app.run(first)["state"] == "running")
    until(lambda: app.run(first)["course"]["iteration"] > stopped["result"]["iterations"] + 10)
    app.json(f"/runs/{first}/stop", "POST")
    again = app.ended(first)
    assert again["result"]["iterations"] > stopped["result"]["iterations"]
    iterations = [iteration for iteration, _ in again["curve"]]
    assert iterations == sorted(set(iterations))


def test_a_run_that_went_on_is_as_one_that_was_never_stopped(app: App, photo: str) -> None:
    settings = {"iterations": "600", "tolerance": "1e-12"}
    form = {"prior": "tgv", "options": {"sigma": "20"}, "settings": settings}
    stopped = app.start(photo, **form)
    until(lambda: app.run(stopped)["course"])
    app.json(f"/runs/{stopped}/stop", "POST")
    assert app.ended(stopped)["result"]["iterations"] < 600
    app.json(f"/runs/{stopped}/continue", "POST")
    assert app.ended(stopped)["state"] == "done"
    whole = app.start(photo, **form)
    app.ended(whole)
    assert app.ask(f"/runs/{stopped}/result")[1] == app.ask(f"/runs/{whole}/result")[1]


def test_what_is_stopped_at_once_leaves_the_queue_alive(app: App, photo: str) -> None:
    first = app.start(photo, options={"sigma": "20"}, prior="tgv", settings=ENDLESS)
    until(lambda: app.run(first)["course"])
    app.json(f"/runs/{first}", "DELETE")
    second = app.start(photo, options={"sigma": "20"})
    assert app.ended(second)["state"] == "done"
    assert all(run["id"] != first for run in app.json("/news")["runs"])


def test_what_fails_says_why_at_its_field_and_the_next_one_works(app: App) -> None:
    id = app.bring(noisy()[..., 0])
    run = app.ended(app.start(id, task="restore", options={"operator": "nothing(3)"}))
    assert run["state"] == "failed"
    assert "nothing" in run["error"]
    assert "\n" not in run["error"]
    assert app.ended(app.start(id, options={"sigma": "20"}))["state"] == "done"


def test_a_result_can_be_the_next_picture(app: App, photo: str) -> None:
    run = app.ended(app.start(photo, task="sr", prior="tv", options={"scale": "2"}))
    assert (run["result"]["width"], run["result"]["height"]) == (128, 128)
    following = app.json(f"/runs/{run['id']}/bring", "POST")
    assert (following["name"], following["width"]) == ("photo.upscaled.png", 128)


# --- its end -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_nothing_is_kept_when_it_ends_in_the_midst_of_a_run(tmp_path: Path, number: int) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra app")
    app = App(tmp_path)
    id = app.bring(noisy())
    (folder,) = tmp_path.glob("zeroshot-app-*")
    assert folder.stat().st_mode & 0o077 == 0
    run = app.start(id, options={"sigma": "20"}, prior="tgv", settings=ENDLESS)
    until(lambda: app.run(run)["course"])
    app.process.send_signal(number)
    assert app.close() == 0
    assert app.errors() == ""
    assert not list(tmp_path.glob("zeroshot-app-*"))


def test_a_port_that_is_taken_is_told_in_one_line(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = run_command(["app", "--no-browser", "--port", app.port], capsys)
    assert code == 2
    assert errors.startswith(f"zeroshot: error: port {app.port} cannot be used")
    assert errors.count("\n") == 1


def test_without_the_extra_the_error_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "zeroshot.app.server", raising=False)
    code, _, errors = run_command(["app", "--no-browser"], capsys)
    assert code == 2
    assert 'pip install "zeroshot-restore[app]"' in errors
    assert errors.count("\n") == 1


def test_counts_of_a_given_range_are_given_away_as_the_command_line_writes_them(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    counts = (np.clip(0.5 + draws.normal(0, 0.05, (16, 16)), 0, 1) * 4095).astype(np.uint16)
    Image.fromarray(counts).save(tmp_path / "counts.png")
    restored = zeroshot.denoise(tmp_path / "counts.png", prior="dct", sigma=0.05, value_range=(0, 4095))
    restored.save(tmp_path / "out.png")
    restored.save(tmp_path / "written.jpg")
    downloads.keep_depth(restored, tmp_path)
    downloads.write(tmp_path, "out.png", "jpeg")
    (given,) = (tmp_path / "downloads" / "jpeg").iterdir()
    pages, commands = (np.asarray(Image.open(one), int) for one in (given, tmp_path / "written.jpg"))
    # Its counts are whole numbers, which the command line has not rounded to.
    assert np.abs(pages - commands).max() <= 2
