"""Assets are verified before use, and the cache never holds a wrong file; a local server replaces the web."""

import gc
import hashlib
import itertools
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import Mock

import pytest

from onnxproof.claims import assets
from onnxproof.claims.assets import OFFICIAL, Asset, AssetError, official, verify_sums

CONTENT = bytes(range(256)) * 300
HALF = CONTENT[: len(CONTENT) // 2]
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Site(ThreadingHTTPServer):
    """A server that counts its requests; a test sets how it answers."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.statuses = itertools.repeat(200)
        self.headers = {"Content-Length": len(CONTENT)}
        self.body = lambda: [CONTENT]
        self.requests = 0

    def handle_error(self, request, client_address):
        """Ignores a client that hangs up."""


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests += 1
        self.send_response(next(self.server.statuses))
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        for part in self.server.body():
            self.wfile.write(part)

    def log_message(self, *args):
        """Logs nothing."""


@pytest.fixture
def site():
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def halfway(site):
    """An event: the server has sent half of the file, and then stops."""
    halfway, over = threading.Event(), threading.Event()

    def body():
        yield HALF
        halfway.set()
        over.wait()

    site.body = body
    yield halfway
    over.set()


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """The user's cache, a folder that does not exist yet."""
    monkeypatch.delenv("ONNXPROOF_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "onnxproof"


@pytest.fixture
def asset(monkeypatch, site, cache):
    """An official file on the server; retries do not wait, and no proxy interferes."""
    asset = Asset("weights.pth", f"http://127.0.0.1:{site.server_port}/weights.pth", len(CONTENT), DIGEST)
    monkeypatch.setitem(OFFICIAL, asset.name, asset)
    monkeypatch.setattr("pooch.core.time", Mock())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return asset


@pytest.fixture
def refusal(asset, cache):
    """The reason of a failed download, after checking that the cache is empty and the message complete."""

    def get():
        with pytest.raises(AssetError) as refused:
            official(asset.name)
        assert not list(cache.glob("*"))
        message = re.fullmatch(
            rf"{asset.name} cannot be downloaded from {OFFICIAL[asset.name].url} to {cache}: (.*[^.])\. "
            r"Try again later, or set ONNXPROOF_ASSETS to a folder that holds the file\.",
            str(refused.value),
        )
        assert message is not None, refused.value
        return message[1]

    return get


class TestDownload:
    """The cache holds each file once it is downloaded and verified."""

    def test_first_use(self, asset, cache, capfd):
        """Only the file arrives, under its name, and nothing is printed."""
        assert official(asset.name).read_bytes() == CONTENT
        assert list(cache.iterdir()) == [cache / asset.name]
        assert capfd.readouterr() == ("", "")

    def test_second_use(self, site, asset):
        """A verified file in the cache needs no request."""
        assert official(asset.name) == official(asset.name)
        assert site.requests == 1

    def test_spoilt_file(self, site, asset):
        """A file whose digest differs is downloaded again."""
        official(asset.name).write_bytes(HALF)
        assert official(asset.name).read_bytes() == CONTENT
        assert site.requests == 2

    @pytest.mark.parametrize(
        ("number", "status", "message"), [(signal.SIGKILL, -9, ""), (signal.SIGINT, 130, "onnxproof: interrupted\n")]
    )
    def test_stopped_in_the_middle(self, site, halfway, asset, cache, number, status, message):
        """A command that is killed or interrupted prints no traceback and leaves no file under the name."""
        command = f"""
import sys
from onnxproof.claims.assets import OFFICIAL, Asset
OFFICIAL["{asset.name}"] = {asset!r}
from onnxproof.cli import main
sys.exit(main(["fetch", "{asset.name}"]))
"""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen([sys.executable, "-c", command], **pipes) as process:
            assert halfway.wait(60)
            process.send_signal(number)
            assert process.communicate(timeout=60) == ("", message)
        assert process.returncode == status
        assert not (cache / asset.name).exists()
        site.body = lambda: [CONTENT]
        assert official(asset.name).read_bytes() == CONTENT

    def test_passing_failure(self, site, asset, capfd):
        """A server that is busy or broken is asked again, without output."""
        site.statuses = iter([429, 503, 200])
        assert official(asset.name).read_bytes() == CONTENT
        assert capfd.readouterr() == ("", "")

    def test_progress(self, asset, capfd):
        """On request, a bar on stderr names the file."""
        official(asset.name, progress=True)
        out, err = capfd.readouterr()
        assert out == ""
        assert asset.name in err

    def test_import(self):
        """The module imports without the libraries that download."""
        command = "import sys, onnxproof.claims.assets; print({'pooch', 'requests', 'urllib3'} & sys.modules.keys())"
        assert subprocess.check_output([sys.executable, "-c", command], text=True) == "set()\n"


class TestRefusal:
    """A failed download is one message, and the cache stays as it was."""

    def test_other_content(self, site, refusal):
        """Content of the right size but another digest is refused."""
        site.body = lambda: [CONTENT[::-1]]
        assert f"expected {DIGEST} but got" in refusal()

    def test_endless(self, site, refusal):
        """An endless answer is cut off."""
        site.headers, site.body = {}, lambda: itertools.repeat(CONTENT)
        assert refusal() == f"the answer is longer than the file's {len(CONTENT):,} bytes"

    def test_too_short(self, site, refusal):
        """An answer that ends early is refused, even if the server promises no length."""
        site.headers, site.body = {}, lambda: [HALF]
        assert f"but got {hashlib.sha256(HALF).hexdigest()}" in refusal()

    def test_broken_off(self, site, refusal):
        """A connection that ends before the promised length is refused."""
        site.body = lambda: [HALF]
        assert refusal().startswith("Connection broken")

    @pytest.mark.usefixtures("halfway")
    def test_stalled(self, monkeypatch, refusal):
        """A download from a server that goes silent fails."""
        monkeypatch.setattr(assets, "TIMEOUT", (4, 0.05))
        assert "timed out" in refusal()

    @pytest.mark.parametrize("status", [404, 503])
    def test_status(self, site, refusal, status):
        """The message names the server's status, after three requests."""
        site.statuses = itertools.repeat(status)
        assert refusal().startswith(f"{status} ")
        assert site.requests == 3

    def test_control_characters(self, site, refusal, monkeypatch):
        """Terminal control characters are removed from a server's message."""
        monkeypatch.setattr(Answer, "responses", {404: ("\x1b[31mred\x07", "")})
        site.statuses = itertools.repeat(404)
        assert refusal().startswith("404 Client Error: [31mred for url")

    def test_nobody_there(self, monkeypatch, asset, refusal):
        """An address without a server is refused."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            address = "http://{}:{}".format(*silent.getsockname())
            monkeypatch.setitem(OFFICIAL, asset.name, replace(asset, url=address))
            reason = refusal()
        assert "Failed to establish a new connection" in reason
        assert "Max retries exceeded" not in reason

    @pytest.mark.parametrize(
        "headers",
        [
            pytest.param({"Location": "http://["}, id="no-address"),
            pytest.param({"Location": "file:///etc/passwd"}, id="file"),
            pytest.param({"Location": "/"}, id="itself"),
            pytest.param({"Transfer-Encoding": "chunked"}, id="chunks"),
            pytest.param({"Content-Encoding": "gzip"}, id="compression"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # requests leaves it to the collector
    def test_nonsense(self, site, refusal, headers):
        """A bad redirection and a body in the wrong encoding are refused."""
        site.statuses, site.headers = itertools.repeat(302 if "Location" in headers else 200), headers
        assert len(refusal()) < 300
        gc.collect()

    def test_no_folder(self, cache, refusal):
        """The message says why the cache cannot be made."""
        cache.parent.touch()
        assert "Not a directory" in refusal()

    def test_full_disk(self, refusal):
        """The message says why the file cannot be written."""
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(HALF), limits[1]))
        try:
            assert "File too large" in refusal()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class TestFolder:
    """If ONNXPROOF_ASSETS names a folder, the official files come from there, and nothing is downloaded."""

    @pytest.fixture
    def folder(self, monkeypatch, tmp_path, site, asset):
        monkeypatch.setenv("ONNXPROOF_ASSETS", str(tmp_path))
        yield tmp_path
        assert site.requests == 0

    def test_right_file(self, asset, folder):
        """A file in the folder is used in place."""
        (folder / asset.name).write_bytes(CONTENT)
        assert official(asset.name) == folder / asset.name

    def test_other_file(self, asset, folder):
        """A file of another digest is an error."""
        (folder / asset.name).write_bytes(HALF)
        with pytest.raises(AssetError, match=rf"has the SHA-256 .* in place of {DIGEST}\. ONNXPROOF_ASSETS names"):
            official(asset.name)

    def test_no_file(self, asset, folder):
        """A missing file is an error that names its address."""
        with pytest.raises(AssetError, match=f"cannot be read: .* put the file from {asset.url} there"):
            official(asset.name)

    def test_empty_variable(self, monkeypatch, asset, cache):
        """An empty variable is ignored."""
        monkeypatch.setenv("ONNXPROOF_ASSETS", "")
        assert official(asset.name) == cache / asset.name


def test_checkpoint_is_named_after_its_digest():
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
        """Right files are returned by name."""
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
