"""A file is whole or not there, even after a kill, and is made once if several processes ask for it."""

import multiprocessing
import os
import signal
import tempfile
from pathlib import Path

import pytest

from onnxproof._internal.files import replace_folder, write_whole
from tests.once import made_once

SPAWN = multiprocessing.get_context("spawn")
OLD, NEW = b"old", bytes(range(256)) * 1000


def kill_this_process(*args) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def write_and_be_killed(path: Path) -> None:
    """Writes half of the content, and then kills the process."""
    write_bytes = Path.write_bytes
    Path.write_bytes = lambda self, data: kill_this_process(write_bytes(self, data[: len(data) // 2]))
    write_whole(path, NEW)


def make_and_be_killed(folder: Path) -> None:
    made_once(folder, "model", lambda unfinished: kill_this_process((unfinished / "half").touch()))


def make_at_once(folder: Path, barrier) -> None:
    barrier.wait(60)
    made_once(folder, "model", make)


def make(unfinished: Path) -> None:
    """Writes a file into the folder, and logs the call beside it."""
    (unfinished / "model.onnx").write_bytes(NEW)
    with (unfinished.parent / "calls").open("a") as calls:
        calls.write("made\n")


@pytest.fixture
def run():
    """Runs a function in several processes at once; returns their exit codes."""

    def start(function, *args, processes=1):
        running = [SPAWN.Process(target=function, args=args) for _ in range(processes)]
        for process in running:
            process.start()
        for process in running:
            process.join()
        return [process.exitcode for process in running]

    return start


class TestWriteWhole:
    """`write_whole` leaves the whole file, or what was there before."""

    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "results.json"

    def test_written(self, path):
        """The file has the content, and nothing lies beside it."""
        assert write_whole(path, NEW) == path
        assert path.read_bytes() == NEW
        assert list(path.parent.iterdir()) == [path]

    def test_str(self, path):
        """A path may be given as text."""
        assert write_whole(str(path), NEW) == path

    def test_replaced(self, path):
        """An existing file is replaced."""
        path.write_bytes(OLD)
        assert write_whole(path, NEW).read_bytes() == NEW

    def test_killed(self, path, run):
        """A process that is killed halfway leaves no file."""
        assert run(write_and_be_killed, path) == [-signal.SIGKILL]
        assert not path.exists()

    def test_killed_while_replacing(self, path, run):
        """A process that is killed halfway leaves the earlier file; the next one replaces it."""
        path.write_bytes(OLD)
        assert run(write_and_be_killed, path) == [-signal.SIGKILL]
        assert path.read_bytes() == OLD
        assert write_whole(path, NEW).read_bytes() == NEW

    def test_name_is_a_folder(self, path):
        """A name that cannot be written is an OSError and leaves nothing beside it."""
        path.mkdir()
        with pytest.raises(OSError, match=r"results\.json"):
            write_whole(path, NEW)
        assert list(path.parent.iterdir()) == [path]

    def test_no_folder(self, path):
        """A missing folder is not made."""
        with pytest.raises(FileNotFoundError, match="missing"):
            write_whole(path.parent / "missing" / path.name, NEW)
        assert not list(path.parent.iterdir())


class TestReplaceFolder:
    """A folder is replaced as a whole."""

    def test_removed_meanwhile(self, tmp_path, monkeypatch):
        """Another run removes the folder that it is in, which is empty, before it is there."""
        make_folder, removed = tempfile.mkdtemp, []

        def mkdtemp(dir, **options):
            if not removed:
                removed.append(dir)
                dir.rmdir()
            return make_folder(dir=dir, **options)

        monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
        target = replace_folder(tmp_path / "case" / "check", lambda folder: (folder / "script").touch())
        assert (target / "script").is_file()
        assert removed == [target.parent]


class TestMadeOnce:
    """`made_once` fills a folder for the first caller."""

    def test_second_time(self, tmp_path):
        """The second call uses the same folder."""
        assert made_once(tmp_path, "model", make) == made_once(tmp_path, "model", make) == tmp_path / "model"
        assert (tmp_path / "model" / "model.onnx").read_bytes() == NEW
        assert (tmp_path / "calls").read_text() == "made\n"

    def test_keys(self, tmp_path):
        """Each key has its own folder."""
        assert made_once(tmp_path, "first", make) != made_once(tmp_path, "second", make)
        assert (tmp_path / "calls").read_text() == "made\nmade\n"

    def test_four_processes(self, tmp_path, run):
        """Four processes that ask at the same time make it once."""
        assert run(make_at_once, tmp_path, SPAWN.Barrier(4), processes=4) == [0, 0, 0, 0]
        assert (tmp_path / "calls").read_text() == "made\n"

    def test_failure(self, tmp_path):
        """The maker's error is raised, none of its work is kept, and the next call succeeds."""

        def fail(unfinished):
            make(unfinished)
            raise RuntimeError("out of luck")

        with pytest.raises(RuntimeError, match="out of luck"):
            made_once(tmp_path, "model", fail)
        assert {path.name for path in tmp_path.iterdir()} <= {"calls", "model.lock"}
        assert (made_once(tmp_path, "model", make) / "model.onnx").read_bytes() == NEW

    def test_killed(self, tmp_path, run):
        """A maker that is killed blocks nobody, and what it left is not used."""
        assert run(make_and_be_killed, tmp_path) == [-signal.SIGKILL]
        assert not (tmp_path / "model").exists()
        assert [path.name for path in made_once(tmp_path, "model", make).iterdir()] == ["model.onnx"]
