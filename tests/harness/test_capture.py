"""Output, logs and warnings of a block are collected, and nothing reaches the terminal."""

import contextlib
import logging
import os
import sys
import warnings

import pytest

from onnxproof.exporting import capture

CHANNELS = {
    "stdout": lambda: print("heard"),
    "stderr": lambda: print("heard", file=sys.stderr),
    "native-stdout": lambda: os.write(1, b"heard\n"),
    "native-stderr": lambda: os.write(2, b"heard\n"),
    "root-logger": lambda: logging.getLogger().warning("heard"),
    "own-handler": lambda: logging.getLogger("test_capture").warning("heard"),
    "colours": lambda: print("\x1b[31mheard\x1b[0m"),
}


@pytest.fixture
def logger(capfd):
    """A logger that does not propagate, whose handler keeps the stderr that it found."""
    found = logging.getLogger("test_capture")
    handler = logging.StreamHandler(sys.stderr)
    found.addHandler(handler)
    found.propagate = False
    yield found
    found.removeHandler(handler)


@pytest.mark.parametrize("write", CHANNELS.values(), ids=list(CHANNELS))
class TestChannels:
    """Each channel is captured in the block, and restored after it."""

    def test_inside(self, logger, capfd, write):
        """The text is there, without colours, and nowhere else."""
        with capture.everything() as heard:
            write()
        assert heard.text == "heard\n"
        assert capfd.readouterr() == ("", "")

    def test_after_an_error(self, logger, capfd, write):
        """So it is if the block fails."""
        with contextlib.suppress(KeyError), capture.everything() as heard:
            write()
            raise KeyError
        assert heard.text == "heard\n"
        assert capfd.readouterr() == ("", "")

    def test_outside(self, logger, capfd, caplog, write):
        """After the block the channel reaches the terminal again (the negative control)."""
        with capture.everything() as heard:
            pass
        write()
        assert heard.text == ""
        assert "heard" in "".join([*capfd.readouterr(), caplog.text])


class TestWarnings:
    """Warnings are collected with their lines, whatever the filters say."""

    @pytest.mark.parametrize("action", ["error", "ignore"])
    def test_inside(self, recwarn, action):
        """Each has its category, message and source."""
        warnings.simplefilter(action)
        with capture.everything() as heard:
            warnings.warn("look here", DeprecationWarning, stacklevel=1)
        (found,) = heard.warnings
        assert (found.category, found.message) == ("DeprecationWarning", "look here")
        assert found.source == 'warnings.warn("look here", DeprecationWarning, stacklevel=1)'
        assert found.file == __file__
        assert not recwarn.list

    def test_outside(self):
        """After the block they are raised again."""
        with capture.everything():
            pass
        with pytest.warns(UserWarning, match="look here"):
            warnings.warn("look here", stacklevel=1)


def test_closed_stream(logger):
    """A handler with a closed stream works, and keeps the stream."""
    stream = open(os.devnull, "w")  # noqa: PTH123, SIM115
    stream.close()
    logger.handlers[0].stream = stream
    with capture.everything() as heard:
        logger.warning("heard")
    assert heard.text == "heard\n"
    assert logger.handlers[0].stream is stream


def test_handlers_are_as_before(logger):
    """The root logger has no new handler, and streams are as before."""
    root, streams = logging.getLogger(), [handler.stream for handler in logger.handlers]
    before = list(root.handlers)
    with contextlib.suppress(KeyError), capture.everything():
        raise KeyError
    assert root.handlers == before
    assert [handler.stream for handler in logger.handlers] == streams
