"""The command line says what it did on stdout, what it could not on stderr, and tells which by its exit status."""

import hashlib
import subprocess
import sys

import pytest

from onnxproof import __version__, cli
from onnxproof.assets import OFFICIAL, Asset
from onnxproof.cli import main

CONTENT = b"official"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """A folder that holds every official file, with content of the test's own."""
    monkeypatch.setenv("ONNXPROOF_ASSETS", str(tmp_path))
    for name in OFFICIAL:
        (tmp_path / name).write_bytes(CONTENT)
        monkeypatch.setitem(OFFICIAL, name, Asset(name, f"https://example.org/{name}", len(CONTENT), DIGEST))
    return tmp_path


@pytest.fixture
def usage_error(capsys):
    """What the command says about arguments that it does not understand."""

    def get(*argv):
        with pytest.raises(SystemExit) as stopped:
            main(argv)
        assert stopped.value.code == 2
        return capsys.readouterr().err

    return get


class TestFetch:
    """`onnxproof fetch` makes the official files available."""

    def test_all(self, folder, capsys):
        """Without a name, each file is printed as sha256sum prints it, and nothing else is."""
        assert main(["fetch"]) == 0
        lines = "".join(f"{DIGEST}  {folder / name}\n" for name in ("srcnn.pth", "face.png"))
        assert capsys.readouterr() == (lines, "")

    def test_named(self, folder, capsys):
        """With names, these files are printed and no other."""
        assert main(["fetch", "face.png"]) == 0
        assert capsys.readouterr().out == f"{DIGEST}  {folder / 'face.png'}\n"

    def test_failure(self, folder, capsys):
        """A file that cannot be had is one paragraph on stderr and exit status 2."""
        (folder / "face.png").unlink()
        assert main(["fetch", "face.png"]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"onnxproof: {folder / 'face.png'} cannot be read: ")
        assert err.count("\n") == 1

    def test_interrupt(self, monkeypatch, capsys):
        """Ctrl-C ends the command with exit status 130 and no traceback."""

        def interrupt(*args, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr(cli, "official", interrupt)
        assert main(["fetch"]) == 130
        assert capsys.readouterr() == ("", "onnxproof: interrupted\n")

    @pytest.mark.parametrize("terminal", [pytest.param(True, id="terminal"), pytest.param(False, id="log")])
    def test_progress(self, monkeypatch, terminal):
        """A bar is asked for where stderr is a terminal, and not in a log."""
        asked = []
        monkeypatch.setattr(cli, "official", lambda name, progress: asked.append(progress))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
        main(["fetch", "face.png"])
        assert asked == [terminal]


class TestUsage:
    """Arguments that are not understood end with exit status 2 and a way on."""

    def test_no_command(self, usage_error):
        """A sub-command is required."""
        assert "required: COMMAND" in usage_error()

    def test_mistyped_command(self, usage_error):
        """The nearest sub-command is suggested."""
        assert "'fetsh' is unknown, did you mean 'fetch'?" in usage_error("fetsh")

    def test_mistyped_name(self, usage_error):
        """The nearest file is suggested."""
        assert "'srcn.pth' is unknown, did you mean 'srcnn.pth'?" in usage_error("fetch", "srcn.pth")

    def test_strange_name(self, usage_error):
        """Where no file is near, all are shown."""
        assert "'weights' is unknown, choose srcnn.pth or face.png" in usage_error("fetch", "weights")


class TestHelp:
    """The command explains itself."""

    def test_fetch(self, monkeypatch, capsys):
        """The help of `fetch` has the default, an example and the variable."""
        monkeypatch.setenv("COLUMNS", "100")
        with pytest.raises(SystemExit, match="0"):
            main(["fetch", "--help"])
        text = capsys.readouterr().out
        assert "(default: all of them)" in text
        assert "example: onnxproof fetch srcnn.pth" in text
        assert "ONNXPROOF_ASSETS" in text

    def test_module(self, pytestconfig):
        """`python -m onnxproof` is the same command."""
        command = [sys.executable, "-m", "onnxproof", "--version"]
        done = subprocess.run(command, cwd=pytestconfig.rootpath, stdout=subprocess.PIPE, text=True, check=True)
        assert done.stdout == f"onnxproof {__version__}\n"
