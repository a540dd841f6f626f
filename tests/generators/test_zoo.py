"""The zoo, against a server on this machine: whole, broken-off, corrupted and missing files."""

from __future__ import annotations

import hashlib
import http.server
import re
import threading

import pooch
import pytest

from zeroshot.generators import zoo

CONTENT = bytes(range(256)) * 5000


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT under every name, with faults."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.break_off_after: int | None = None
        self.understands_ranges = True
        self.content = CONTENT
        self.status = 200
        self.misplaced = 0
        self.version = '"first"'
        self.requested: list[tuple[str, str | None]] = []
        self.encodings: list[str | None] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server: Server = self.server
        wanted = self.headers.get("Range")
        server.requested.append((self.path, wanted))
        server.encodings.append(self.headers.get("Accept-Encoding"))
        if server.status != 200 or self.path.startswith("/gone/"):
            self.send_error(server.status if server.status != 200 else 404)
            return
        start = 0
        if wanted and server.understands_ranges and self.headers["If-Range"] == server.version:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
        if start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.end_headers()
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            first = start + server.misplaced
            self.send_header(
                "Content-Range", f"bytes {first}-{len(server.content) - 1}/{len(server.content)}"
            )
        self.send_header("ETag", server.version)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.break_off_after is not None:
            body, server.break_off_after = body[: server.break_off_after], None
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    one = Server()
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    yield one
    one.shutdown()
    one.server_close()


@pytest.fixture
def said():
    return []


@pytest.fixture
def fetch(monkeypatch, tmp_path, said):
    monkeypatch.setattr(zoo, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv("ZEROSHOT_WEIGHTS", raising=False)
    monkeypatch.delenv("ZEROSHOT_MIRROR", raising=False)

    def run(*addresses, sha256=None):
        entry = zoo.Entry(addresses, "MIT: here", "cells", "none", "https://example.org", sha256)
        monkeypatch.setitem(zoo.ENTRIES, "cells", entry)
        return zoo.fetch("cells", progress="none", say=said.append)

    return run


def test_a_file_is_downloaded_once_and_its_terms_are_told_before(fetch, server, said):
    path = fetch(f"{server.address}/cells.pkl")
    assert path.read_bytes() == CONTENT
    assert said == ["cells: cells; from https://example.org; terms: MIT: here"]
    assert fetch(f"{server.address}/cells.pkl") == path
    assert len(server.requested) == len(said) == 1
    assert not list(path.parent.glob("*.part"))


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(fetch, server):
    server.break_off_after = 100_000
    with pytest.raises(OSError, match=r"(?s)cells\.pkl could not be had.*ZEROSHOT_WEIGHTS"):
        fetch(f"{server.address}/cells.pkl")
    path = fetch(f"{server.address}/cells.pkl", sha256=hashlib.sha256(CONTENT).hexdigest())
    assert path.read_bytes() == CONTENT
    start = int(re.fullmatch(r"bytes=(\d+)-", server.requested[-1][1])[1])
    assert 0 < start <= 100_000


def test_a_server_without_ranges_sends_all_of_it_again(fetch, server):
    server.break_off_after = 100_000
    with pytest.raises(OSError):
        fetch(f"{server.address}/cells.pkl")
    server.understands_ranges = False
    assert fetch(f"{server.address}/cells.pkl").read_bytes() == CONTENT


def broken_off(fetch, server):
    server.break_off_after = 100_000
    with pytest.raises(OSError):
        fetch(f"{server.address}/cells.pkl")


def test_a_whole_part_is_not_asked_for_again(fetch, server, tmp_path):
    broken_off(fetch, server)
    (part,) = (tmp_path / "cache").glob("*.part")
    part.write_bytes(CONTENT)
    assert fetch(f"{server.address}/cells.pkl").read_bytes() == CONTENT
    assert server.requested[-1][1] == f"bytes={len(CONTENT)}-"


def test_a_part_longer_than_the_file_is_no_file(fetch, server, tmp_path):
    broken_off(fetch, server)
    (part,) = (tmp_path / "cache").glob("*.part")
    part.write_bytes(CONTENT + b"more")
    assert fetch(f"{server.address}/cells.pkl").read_bytes() == CONTENT


def test_versions_are_not_mixed(fetch, server):
    broken_off(fetch, server)
    server.content, server.version = bytes(reversed(CONTENT)), '"second"'
    assert fetch(f"{server.address}/cells.pkl").read_bytes() == server.content


def test_parts_that_do_not_go_on_where_ours_ends_are_refused(fetch, server):
    broken_off(fetch, server)
    server.misplaced = 5
    with pytest.raises(OSError, match="another part of the file"):
        fetch(f"{server.address}/cells.pkl")
    assert fetch(f"{server.address}/cells.pkl").read_bytes() == CONTENT
    assert set(server.encodings) == {"identity"}


def test_addresses_do_not_share_parts(fetch, server):
    broken_off(fetch, server)
    assert fetch(f"{server.address}/mirror/cells.pkl").read_bytes() == CONTENT
    assert server.requested[-1] == ("/mirror/cells.pkl", None)


def test_several_at_once_download_once(fetch, server):
    paths = []
    threads = [
        threading.Thread(target=lambda: paths.append(fetch(f"{server.address}/cells.pkl"))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 6
    assert all(path.read_bytes() == CONTENT for path in paths)
    assert len(server.requested) == 1


def test_a_mirror_of_the_user_is_tried_last(fetch, server, monkeypatch):
    monkeypatch.setenv("ZEROSHOT_MIRROR", f"{server.address}/mine/")
    assert fetch(f"{server.address}/gone/cells.pkl").read_bytes() == CONTENT
    assert [place for place, _ in server.requested] == ["/gone/cells.pkl", "/mine/cells.pkl"]


def test_the_checksum_is_computed_once(fetch, server, monkeypatch):
    fetch(f"{server.address}/cells.pkl")
    read = []
    file_hash = pooch.file_hash
    monkeypatch.setattr(pooch, "file_hash", lambda path: read.append(path) or file_hash(path))
    fetch(f"{server.address}/cells.pkl")
    fetch(f"{server.address}/cells.pkl")
    assert len(read) <= 1


def test_a_corrupted_file_is_refused_and_not_gone_on_with(fetch, server, tmp_path):
    wanted = hashlib.sha256(CONTENT).hexdigest()
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(zoo.ChecksumError, match="is not the published file"):
        fetch(f"{server.address}/cells.pkl", sha256=wanted)
    assert sorted(path.name for path in (tmp_path / "cache").glob("[!.]*")) == ["cells.pkl.rejected"]
    server.content = CONTENT
    assert fetch(f"{server.address}/cells.pkl", sha256=wanted[:8]).read_bytes() == CONTENT


def test_the_checksum_of_the_first_download_holds_from_then_on(fetch, server):
    path = fetch(f"{server.address}/cells.pkl")
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(zoo.ChecksumError, match=r"remove it and .*cells\.pkl\.sha256"):
        fetch(f"{server.address}/cells.pkl")
    path.unlink()
    server.content = b"something else"
    with pytest.raises(zoo.ChecksumError, match="sent is not the published file"):
        fetch(f"{server.address}/cells.pkl")


def test_mirrors_are_tried_in_turn(fetch, server):
    path = fetch(f"{server.address}/gone/cells.pkl", f"{server.address}/cells.pkl")
    assert path.read_bytes() == CONTENT
    assert [place for place, _ in server.requested] == ["/gone/cells.pkl", "/cells.pkl"]


def test_when_all_fail_each_reason_is_named(fetch, server):
    server.status = 403
    with pytest.raises(OSError, match=r"(?s)a/cells\.pkl: 403.*b/cells\.pkl: 403.*ZEROSHOT_WEIGHTS"):
        fetch(f"{server.address}/a/cells.pkl", f"{server.address}/b/cells.pkl")


def test_an_offline_folder_needs_no_network(fetch, server, monkeypatch, tmp_path, said):
    (tmp_path / "usb").mkdir()
    (tmp_path / "usb" / "cells.pkl").write_bytes(CONTENT)
    monkeypatch.setenv("ZEROSHOT_WEIGHTS", str(tmp_path / "usb"))
    address = f"{server.address}/cells.pkl"
    entry = zoo.Entry((address,), "MIT", "cells", "none", "here", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(zoo.ENTRIES, "cells", entry)
    assert zoo.fetch("cells").read_bytes() == CONTENT
    assert not server.requested
    (tmp_path / "usb" / "cells.pkl").write_bytes(b"torn")
    with pytest.raises(zoo.ChecksumError, match=r"cells\.pkl in ZEROSHOT_WEIGHTS is not the published file"):
        zoo.fetch("cells")


def test_every_entry_says_where_it_comes_from_and_under_which_terms():
    for name in zoo.names():
        entry = zoo.ENTRIES[name]
        assert entry.addresses
        assert all(address.startswith("https://") for address in (*entry.addresses, entry.source))
        assert "https://" in entry.licence
        assert entry.file
        assert entry.domain
    with pytest.raises(ValueError, match="no weights 'ffhq'; there are: "):
        zoo.fetch("ffhq")
