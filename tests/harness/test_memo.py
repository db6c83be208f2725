"""Results and refusals are remembered, and memory is bounded."""

import pytest

from onnxproof._internal.memo import Memo


class RefusalError(Exception):
    """The remembered error."""


def counted(*made):
    """A function that returns or raises one item per call, and counts its calls."""

    def make():
        make.calls += 1
        found = made[make.calls - 1]
        if isinstance(found, Exception):
            raise found
        return found

    make.calls = 0
    return make


class TestMade:
    """A result is made once for each key."""

    def test_once(self):
        """The second call returns the first result."""
        memo, make = Memo(RefusalError), counted("one", "two")
        assert [memo.get("key", make), memo.get("key", make)] == ["one", "one"]
        assert make.calls == 1

    def test_another_key(self):
        """Another key is another result."""
        memo, make = Memo(RefusalError), counted("one", "two")
        assert [memo.get("a", make), memo.get("b", make)] == ["one", "two"]

    def test_none(self):
        """None is a result too."""
        memo, make = Memo(RefusalError), counted(None, "two")
        assert [memo.get("key", make), memo.get("key", make)] == [None, None]


class TestRefused:
    """A refusal is raised again; other errors are not remembered."""

    def test_again(self):
        """The second call raises the same, with the first as its cause."""
        first = RefusalError("no", "way")
        memo, make = Memo(RefusalError), counted(first, "two")
        with pytest.raises(RefusalError):
            memo.get("key", make)
        with pytest.raises(RefusalError) as again:
            memo.get("key", make)
        assert (again.value.args, again.value.__cause__, make.calls) == (("no", "way"), first, 1)

    def test_another_error(self):
        """After another error the next call tries again."""
        memo, make = Memo(RefusalError), counted(ZeroDivisionError(), "two")
        with pytest.raises(ZeroDivisionError):
            memo.get("key", make)
        assert memo.get("key", make) == "two"


class TestBounded:
    """Together the results stay within the limit."""

    def test_oldest_goes(self):
        """The least recently used one is made again."""
        memo, make = Memo(RefusalError, 4, len), counted("aa", "bb", "cc", "bb again")
        memo.get("a", make)
        memo.get("b", make)
        memo.get("a", make)
        memo.get("c", make)
        assert memo.get("a", make) == "aa"
        assert memo.get("b", make) == "bb again"

    def test_too_large(self):
        """A result above the limit is returned, but not kept."""
        memo, make = Memo(RefusalError, 4, len), counted("large", "again")
        assert [memo.get("key", make), memo.get("key", make)] == ["large", "again"]

    def test_just_fits(self):
        """One at the limit is kept."""
        memo, make = Memo(RefusalError, 4, len), counted("full", "again")
        assert [memo.get("key", make), memo.get("key", make)] == ["full", "full"]
