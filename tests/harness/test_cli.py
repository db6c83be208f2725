"""The command line prints results on stdout and errors on stderr, and its exit status says which."""

import gc
import hashlib
import signal
import subprocess
import sys

import pytest

from onnxproof import __version__, plugin
from onnxproof.claims.assets import OFFICIAL, Asset
from onnxproof.cli import command_line, fetch, main

CONTENT = b"official"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def options():
    """Each argument of each sub-command, except `--help`."""
    (commands,) = (action.choices for action in command_line()._actions if action.choices)
    return [action for command in commands.values() for action in command._actions if action.dest != "help"]


def pytest_options():
    parser = pytest.Parser(_ispytest=True)
    plugin.pytest_addoption(parser)
    return parser.getgroup("onnxproof").options


OPTIONS, PYTEST_OPTIONS = options(), pytest_options()


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """A folder that holds every official file, with other content."""
    monkeypatch.setenv("ONNXPROOF_ASSETS", str(tmp_path))
    for name in OFFICIAL:
        (tmp_path / name).write_bytes(CONTENT)
        monkeypatch.setitem(OFFICIAL, name, Asset(name, f"https://example.org/{name}", len(CONTENT), DIGEST))
    return tmp_path


@pytest.fixture
def usage_error(capsys):
    """The command's error for arguments that it does not understand."""

    def get(*argv):
        with pytest.raises(SystemExit) as stopped:
            main(argv)
        assert stopped.value.code == 2
        return capsys.readouterr().err

    return get


class TestFetch:
    """`onnxproof fetch` makes the official files available."""

    def test_all(self, folder, capsys):
        """Without a name, each file is printed as sha256sum prints it, and nothing else."""
        assert main(["fetch"]) == 0
        lines = "".join(f"{DIGEST}  {folder / name}\n" for name in ("srcnn.pth", "face.png"))
        assert capsys.readouterr() == (lines, "")

    def test_named(self, folder, capsys):
        """With names, only these files are printed."""
        assert main(["fetch", "face.png"]) == 0
        assert capsys.readouterr().out == f"{DIGEST}  {folder / 'face.png'}\n"

    def test_failure(self, folder, capsys):
        """A file that is not available ends with one paragraph on stderr and exit status 2."""
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

        monkeypatch.setattr(fetch, "official", interrupt)
        assert main(["fetch"]) == 130
        assert capsys.readouterr() == ("", "onnxproof: interrupted\n")

    def test_interrupt_in_native_code(self, monkeypatch, capsys):
        """An interrupt that native code turns into another error still counts as an interrupt."""

        def interrupt(*args, **options):
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt as error:
                raise ImportError("import numpy failed") from error

        monkeypatch.setattr(fetch, "official", interrupt)
        assert main(["fetch"]) == 130
        assert capsys.readouterr() == ("", "onnxproof: interrupted\n")

    def test_own_error(self, monkeypatch):
        """An error of the command itself is not hidden."""
        monkeypatch.setattr(fetch, "official", lambda *args, **options: {}["none"])
        with pytest.raises(KeyError, match="none"):
            main(["fetch"])

    def test_garbage(self, monkeypatch):
        """Garbage is collected once the command is imported."""
        monkeypatch.setattr("gc.freeze", lambda: None)
        seen = []
        monkeypatch.setattr(fetch, "official", lambda *args, **options: seen.append(gc.isenabled()))
        gc.disable()
        try:
            main(["fetch", "face.png"])
        finally:
            gc.enable()
        assert seen == [True]

    @pytest.mark.parametrize("terminal", [pytest.param(True, id="terminal"), pytest.param(False, id="log")])
    def test_progress(self, monkeypatch, terminal):
        """A bar is asked for if stderr is a terminal, and not in a log."""
        asked = []
        monkeypatch.setattr(fetch, "official", lambda name, progress: asked.append(progress))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
        main(["fetch", "face.png"])
        assert asked == [terminal]


class TestUsage:
    """Arguments that are not understood end with exit status 2 and advice."""

    def test_no_command(self, usage_error):
        """A sub-command is required."""
        assert "required: COMMAND" in usage_error()

    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            pytest.param("fetch srcn.pth", "srcnn.pth", id="file"),
            pytest.param("check models.py:case --exporter torchscrip", "torchscript", id="exporter"),
        ],
    )
    def test_mistyped(self, usage_error, typed, meant):
        """The nearest name is suggested."""
        assert f"{typed.split()[-1]!r} is unknown, did you mean {meant!r}?" in usage_error(*typed.split())

    def test_shortened(self, capsys):
        """An option may be shortened, and arguments after `--` are not options."""
        with pytest.raises(SystemExit, match="0"):
            main(["--vers"])
        assert main(["check", "--", "--onxn"]) == 2
        assert "--onxn: write my_models.py:my_case" in capsys.readouterr().err

    def test_strange_name(self, usage_error):
        """If no file is near, all are listed."""
        assert "'weights' is unknown, choose srcnn.pth or face.png" in usage_error("fetch", "weights")


class TestHelp:
    """The command explains itself."""

    def test_overview(self, monkeypatch, capsys):
        """The help fits a terminal of 80 by 24, and begins with commands that are understood."""
        monkeypatch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit, match="0"):
            main(["--help"])
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) <= 24
        assert max(map(len, lines)) <= 80
        first = [line.split("  ") for line in lines if line.startswith("  onnxproof ")]
        assert [command_line().parse_args(words[1].split()[1:]).run is None for words in first] == [False, False]

    @pytest.mark.parametrize("command", ["init", "check", "report", "fetch"])
    def test_command(self, monkeypatch, capsys, command):
        """The help of a command fits 80 columns and ends with an example that the command takes."""
        monkeypatch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit, match="0"):
            main([*command.split(), "--help"])
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= 80
        _, example = " ".join(lines).split("example: onnxproof ")
        assert command_line().parse_args(example.split()).run

    @pytest.mark.parametrize("action", OPTIONS, ids=lambda action: action.dest)
    def test_option(self, action):
        """The help of an argument has its default, unless the argument is required."""
        assert action.help
        assert action.required or "(default: " in action.help

    @pytest.mark.parametrize("option", PYTEST_OPTIONS, ids=lambda option: option.dest)
    def test_pytest_option(self, option):
        """The help of an option of the pytest plugin has its default."""
        assert "(default: " in option.attrs()["help"]

    def test_module(self, pytestconfig):
        """`python -m onnxproof` is the same command."""
        command = [sys.executable, "-m", "onnxproof", "--version"]
        done = subprocess.run(command, cwd=pytestconfig.rootpath, stdout=subprocess.PIPE, text=True, check=True)
        assert done.stdout == f"onnxproof {__version__}\n"
