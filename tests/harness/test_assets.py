"""Assets are verified before use, and a download is whole or not there; a server on 127.0.0.1 stands for the world."""

import errno
import gc
import gzip
import hashlib
import itertools
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import pytest

from onnxproof import assets
from onnxproof.assets import OFFICIAL, Asset, AssetError, cached, official, verify_sums

CONTENT = bytes(range(256)) * 300
HALF = CONTENT[: len(CONTENT) // 2]
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Site(ThreadingHTTPServer):
    """A server that counts its requests; a spec sets how it answers."""

    status = 200
    headers: Mapping[str, str] = MappingProxyType({})
    promised: int | None = len(CONTENT)  # the Content-Length; without one, the end of the connection ends the file
    requests = 0

    def body(self):
        return [CONTENT]

    def handle_error(self, request, client_address):
        """A client that hangs up is expected."""


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests += 1
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        if self.server.promised is not None:
            self.send_header("Content-Length", str(self.server.promised))
        self.end_headers()
        for part in self.server.body():
            self.wfile.write(part)

    def log_message(self, *args):
        """Nothing is logged."""


@pytest.fixture
def site():
    with Site(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def halfway(site):
    """Set once half of the file is sent; the rest never comes."""
    halfway, over = threading.Event(), threading.Event()

    def body():
        yield HALF
        halfway.set()
        over.wait()

    site.body = body
    yield halfway
    over.set()


@pytest.fixture
def asset(site):
    return Asset("weights.pth", f"http://127.0.0.1:{site.server_port}/weights.pth", len(CONTENT), DIGEST)


@pytest.fixture
def cache(tmp_path):
    """A cache folder that is not there yet."""
    return tmp_path / "cache"


@pytest.fixture
def refusal(asset, cache):
    """The message of a download that fails: one paragraph with file, address and way out; nothing is left behind."""

    def get(wanted=asset):
        with pytest.raises(AssetError) as refused:
            cached(wanted, cache)
        message = str(refused.value)
        assert not list(cache.glob("*"))
        assert message.startswith(f"{wanted.name} ")
        assert wanted.url in message
        assert message.endswith("set ONNXPROOF_ASSETS to a folder that holds the file.")
        return message

    return get


@pytest.fixture(autouse=True)
def quick_and_direct(monkeypatch):
    """Retries follow at once, and no proxy stands in between."""
    monkeypatch.setattr(assets, "RETRIES", assets.RETRIES.new(backoff_factor=0))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


class TestDownload:
    """A file that the cache lacks is downloaded once and verified."""

    def test_first_use(self, asset, cache):
        """The file arrives under its own name, with nothing beside it."""
        assert cached(asset, cache).read_bytes() == CONTENT
        assert list(cache.iterdir()) == [cache / asset.name]

    def test_second_use(self, site, asset, cache):
        """A file that is there needs no request."""
        assert cached(asset, cache) == cached(asset, cache)
        assert site.requests == 1

    def test_spoilt_file(self, site, asset, cache):
        """A file whose digest no longer holds is downloaded again."""
        cached(asset, cache).write_bytes(HALF)
        assert cached(asset, cache).read_bytes() == CONTENT
        assert site.requests == 2

    def test_two_at_once(self, site, asset, cache):
        """Two downloads side by side both give the whole file and leave nothing beside it."""
        both_have_asked = threading.Barrier(2, timeout=5)

        def body():
            both_have_asked.wait()
            yield CONTENT

        site.body = body
        with ThreadPoolExecutor() as pool:
            paths = list(pool.map(cached, [asset, asset], [cache, cache]))
        assert [path.read_bytes() for path in paths] == [CONTENT, CONTENT]
        assert list(cache.iterdir()) == [cache / asset.name]

    def test_killed_in_the_middle(self, site, halfway, asset, cache):
        """A killed download leaves nothing under the file's name, and the next one succeeds."""
        process = multiprocessing.get_context("spawn").Process(target=cached, args=(asset, cache))
        process.start()
        assert halfway.wait(10)
        process.kill()
        process.join()
        assert not (cache / asset.name).exists()
        site.body = lambda: [CONTENT]
        assert cached(asset, cache).read_bytes() == CONTENT

    def test_interrupted_in_the_middle(self, halfway, asset, cache):
        """Ctrl-C in a download ends the command with one line, and leaves nothing on the disk."""
        command = f"""
import sys
from onnxproof.assets import OFFICIAL, Asset
OFFICIAL["{asset.name}"] = {asset!r}
from onnxproof.cli import main
sys.exit(main(["fetch", "{asset.name}"]))
"""
        environment = os.environ | {"XDG_CACHE_HOME": str(cache), "ONNXPROOF_ASSETS": ""}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen([sys.executable, "-c", command], env=environment, **pipes) as process:
            assert halfway.wait(30)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (130, "", "onnxproof: interrupted\n")
        assert not list(cache.rglob("*"))

    def test_silence(self, asset, cache, capfd):
        """Nothing is printed."""
        cached(asset, cache)
        assert capfd.readouterr() == ("", "")

    def test_progress(self, asset, cache, capfd):
        """The bar goes to stderr and names the file."""
        cached(asset, cache, progress=True)
        out, err = capfd.readouterr()
        assert out == ""
        assert asset.name in err


class TestRefusal:
    """An answer that is not the file is refused with its reason and never reaches the disk."""

    def test_other_content(self, site, refusal):
        """Content of the right size and another digest is refused."""
        site.body = lambda: [CONTENT[::-1]]
        assert f"in place of {DIGEST}" in refusal()

    def test_too_large(self, site, refusal):
        """An answer without end is left at the first byte too many."""
        site.promised, site.body = None, lambda: itertools.repeat(CONTENT)
        assert f"too large, the file has {len(CONTENT):,} bytes" in refusal()

    def test_too_short(self, site, refusal):
        """An answer that ends early and in good order is refused."""
        site.promised, site.body = None, lambda: [HALF]
        assert f"too short, {len(HALF):,} of {len(CONTENT):,} bytes" in refusal()

    def test_broken_off(self, site, refusal):
        """A connection that ends before the promised length is refused."""
        site.body = lambda: [HALF]
        assert "the connection broke off" in refusal()

    @pytest.mark.usefixtures("halfway")
    def test_stalled(self, monkeypatch, refusal):
        """A server that falls silent is given up."""
        monkeypatch.setattr(assets, "TIMEOUT", (4, 0.05))
        assert "timed out" in refusal()

    @pytest.mark.parametrize("status", [403, 404])
    def test_final_status(self, site, refusal, status):
        """A refusal that will not change is asked for once."""
        site.status = status
        assert f"the server answers {status} " in refusal()
        assert site.requests == 1

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_passing_status(self, site, refusal, status):
        """A refusal that may pass is asked for three times."""
        site.status = status
        assert f"the server answers {status} " in refusal()
        assert site.requests == 3

    def test_nobody_there(self, asset, refusal):
        """An address where nobody listens is given up."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            assert "Failed to establish" in refusal(replace(asset, url="http://{}:{}".format(*silent.getsockname())))

    @pytest.mark.parametrize(
        "location",
        [
            pytest.param("http://[", id="no-address"),
            pytest.param("http://.example/", id="empty-label"),
            pytest.param("http://\xff/", id="not-utf8"),
            pytest.param("http://127.0.0.1:99999/", id="no-port"),
            pytest.param("file:///etc/passwd", id="file"),
            pytest.param("/", id="itself"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # requests leaves it to the collector
    def test_senseless_redirection(self, site, refusal, location):
        """An answer that sends elsewhere, where there is nothing or without end, is refused."""
        site.status, site.headers, site.promised, site.body = 302, {"Location": location}, 0, list
        assert len(refusal()) < 400
        gc.collect()

    @pytest.mark.parametrize("length", [b"-5", b"zz", b"f" * 16])
    def test_senseless_part(self, site, refusal, length):
        """An answer in parts of no length is refused."""
        site.headers, site.promised, site.body = (
            {"Transfer-Encoding": "chunked"},
            None,
            lambda: [length + b"\r\n" + HALF],
        )
        assert len(refusal()) < 400

    def test_compressed_bomb(self, site, refusal):
        """A small answer that unfolds to 200 MB is left at the first byte too many, in little room."""
        bomb = gzip.compress(bytes(200 << 20), 1)
        site.headers, site.promised, site.body = {"Content-Encoding": "gzip"}, len(bomb), lambda: [bomb]
        tracemalloc.start()
        assert "too large" in refusal()
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
        tracemalloc.stop()

    def test_commands_for_a_terminal(self, site, refusal, monkeypatch):
        """What a server says is shown without the characters that command a terminal."""
        monkeypatch.setattr(Answer, "responses", {404: ("\x1b[31mred\x07", "")})
        site.status = 404
        assert "the server answers 404 [31mred." in refusal()

    @pytest.mark.parametrize(
        ("step", "code"),
        [
            pytest.param("mkdir", errno.EROFS, id="read-only"),
            pytest.param("write_bytes", errno.ENOSPC, id="full-disk"),
            pytest.param("replace", errno.EACCES, id="name-not-writable"),
        ],
    )
    def test_disk(self, monkeypatch, refusal, step, code):
        """A file that cannot be written is reported with the system's reason."""

        def fail(*args, **options):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(Path, step, fail)
        assert os.strerror(code) in refusal()


class TestOfficial:
    """Official files come from the folder in ONNXPROOF_ASSETS, or else from the user's cache."""

    @pytest.fixture(autouse=True)
    def published(self, monkeypatch, asset, cache):
        """One more official file, and a cache of the test's own."""
        monkeypatch.setitem(OFFICIAL, asset.name, asset)
        monkeypatch.setattr(assets, "user_cache_path", lambda *args, **options: cache)

    @pytest.fixture
    def folder(self, monkeypatch, tmp_path):
        monkeypatch.setenv("ONNXPROOF_ASSETS", str(tmp_path))
        return tmp_path

    def test_cache(self, monkeypatch, asset, cache):
        """An empty variable counts as none."""
        monkeypatch.setenv("ONNXPROOF_ASSETS", "")
        assert official(asset.name) == cache / asset.name

    def test_folder(self, site, asset, folder):
        """A file in the folder is used where it lies, and nothing is downloaded."""
        (folder / asset.name).write_bytes(CONTENT)
        assert official(asset.name) == folder / asset.name
        assert site.requests == 0

    def test_other_file_in_folder(self, site, asset, folder):
        """A file of another digest is an error and no reason to download."""
        (folder / asset.name).write_bytes(HALF)
        with pytest.raises(AssetError, match=rf"has the SHA-256 .* in place of {DIGEST}\. ONNXPROOF_ASSETS names"):
            official(asset.name)
        assert site.requests == 0

    def test_no_file_in_folder(self, site, asset, folder):
        """A file that the folder lacks is an error that says where to get it."""
        with pytest.raises(AssetError, match=f"cannot be read: .* as it is at {asset.url}"):
            official(asset.name)
        assert site.requests == 0

    def test_checkpoint_is_named_after_its_digest(self):
        """The last digits in the checkpoint's address are the first of its SHA-256."""
        checkpoint = OFFICIAL["srcnn.pth"]
        assert checkpoint.url.endswith(f"-{checkpoint.sha256[:8]}.pth")


class TestSums:
    """The files of a folder are checked against its SHA256SUMS."""

    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "face.png").write_bytes(CONTENT)
        (tmp_path / "SHA256SUMS").write_text(f"{DIGEST}  face.png\n", encoding="utf-8")
        return tmp_path

    def test_right(self, folder):
        """Files as listed are given by name."""
        assert verify_sums(folder) == {"face.png": folder / "face.png"}

    def test_changed_file(self, folder):
        """A file of another digest is named."""
        (folder / "face.png").write_bytes(HALF)
        with pytest.raises(AssetError, match=r"face\.png has the SHA-256"):
            verify_sums(folder)

    @pytest.mark.parametrize("name", ["face.png", "SHA256SUMS"])
    def test_missing_file(self, folder, name):
        """A file that is missing is named."""
        (folder / name).unlink()
        with pytest.raises(AssetError, match=f"{name} cannot be read"):
            verify_sums(folder)

    @pytest.mark.parametrize(
        "line",
        [
            pytest.param(f"{DIGEST} face.png", id="one-space"),
            pytest.param(f"{DIGEST[:-1]}  face.png", id="digest-too-short"),
            pytest.param(f"{DIGEST}  ", id="no-name"),
            pytest.param("", id="empty"),
        ],
    )
    def test_malformed_line(self, folder, line):
        """A line that sha256sum does not write is shown with its number."""
        with (folder / "SHA256SUMS").open("a", encoding="utf-8") as sums:
            sums.write(f"{line}\n")
        with pytest.raises(AssetError, match=f"SHA256SUMS, line 2 .*'{line}'"):
            verify_sums(folder)
