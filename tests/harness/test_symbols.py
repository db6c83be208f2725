"""A symbolic dimension is one size in a run, an expression of symbols is computed, and nothing else is evaluated."""

import pytest

from onnxproof.graph.dims import SymbolError, bind
from onnxproof.graph.facts import Value

HOSTILE = [
    pytest.param("__import__('os').abort()", id="call"),
    pytest.param("exit()", id="exit"),
    pytest.param("height.__class__", id="attribute"),
    pytest.param("9**9**9", id="power"),
    pytest.param("1 << 10**10", id="shift"),
    pytest.param("[0] * 10**10", id="list"),
    pytest.param("'a' * 10", id="text"),
    pytest.param("(lambda: 7)()", id="lambda"),
    pytest.param("(" * 100_000 + "7" + ")" * 100_000, id="deep"),
    pytest.param("-" * 100_000 + "7", id="signs"),
    pytest.param("7" + "+7" * 100_000, id="long"),
    pytest.param("9" * 100_000, id="digits"),
    pytest.param("height // 0", id="zero"),
    pytest.param("height % 0", id="modulo-zero"),
    pytest.param("height / 2", id="fraction"),
    pytest.param("height + ", id="syntax"),
    pytest.param("height\0", id="nul"),
    pytest.param("?", id="question-mark"),
    pytest.param("", id="empty"),
]


def held(declared, shape, **sizes):
    """The sizes of the symbols after comparing a run's shape with the declared one."""
    bind(Value("y", "float32", declared), shape, sizes)
    return sizes


class TestFixed:
    """A dimension that is declared as a number has that size."""

    def test_same(self):
        """The number itself passes."""
        assert held((1, 3), (1, 3)) == {}

    def test_another(self):
        """The error names the place and both sizes."""
        with pytest.raises(SymbolError, match=r"^dimension 1 of y is declared as 3; the run has 4$"):
            held((1, 3), (1, 4))

    def test_rank(self):
        """Another number of dimensions is an error."""
        with pytest.raises(SymbolError, match=r"^y is declared with 2 dimensions, the run has \(1, 3, 4\)$"):
            held((1, 3), (1, 3, 4))

    @pytest.mark.parametrize("declared", [None, (None, None)], ids=["shape", "dimensions"])
    def test_nothing_said(self, declared):
        """If nothing is declared, every size passes."""
        assert held(declared, (5, 6)) == {}

    def test_not_all_said(self):
        """A dimension after one that is not declared is compared."""
        with pytest.raises(SymbolError, match="dimension 1 of y is declared as 3"):
            held((None, 3), (5, 6))


class TestSymbols:
    """A symbol is one size in a run, wherever it stands."""

    def test_first(self):
        """A symbol that is met for the first time takes the size that it has there."""
        assert held(("height", "width"), (5, 6)) == {"height": 5, "width": 6}

    def test_known(self):
        """A symbol that is known passes at its size."""
        assert held(("height",), (5,), height=5) == {"height": 5}

    def test_another_value(self):
        """Another size than before is an error that names both."""
        with pytest.raises(SymbolError, match=r"^dimension 0 of y is declared as height, 5 here; the run has 6$"):
            held(("height",), (6,), height=5)

    def test_same_value(self):
        """A symbol that stands twice in one shape is one size too."""
        with pytest.raises(SymbolError, match="dimension 1 of y is declared as n, 5 here"):
            held(("n", "n"), (5, 6))

    @pytest.mark.parametrize("word", ["lambda", "in", "None", "True"])
    def test_words(self, word):
        """A Python keyword is a symbol like any other."""
        with pytest.raises(SymbolError, match=f"declared as {word}, 5 here"):
            held((word, word), (5, 6))


class TestExpressions:
    """Sums, products and whole quotients of known symbols are computed, as torch.export writes them."""

    @pytest.mark.parametrize(
        ("expression", "size"),
        [
            ("2*height", 10),
            ("height + width", 11),
            ("height - 1", 4),
            ("((height - 1)//2) + 1", 3),
            ("width % 4", 2),
            ("height*(width + 1)", 35),
        ],
    )
    def test_computed(self, expression, size):
        """The size of an expression passes, and the next one does not."""
        assert held((expression,), (size,), height=5, width=6)
        with pytest.raises(SymbolError, match=f", {size} here; the run has {size + 1}$"):
            held((expression,), (size + 1,), height=5, width=6)

    def test_unknown_symbol(self):
        """An expression of an unknown symbol allows every size."""
        assert held(("depth + 2",), (7,), height=5) == {"height": 5}

    def test_multiple_of_unknown_symbol(self):
        """A multiple of an unknown symbol tells its size, which later dimensions are held to."""
        assert held(("8*_height", "2*_height"), (24, 6)) == {"_height": 3}
        with pytest.raises(SymbolError, match=r"^dimension 1 of y is declared as 2\*_height, 6 here; the run has 7$"):
            held(("8*_height", "2*_height"), (24, 7))

    def test_no_multiple(self):
        """A size that is not a multiple is not the one declared."""
        with pytest.raises(SymbolError, match=r"^dimension 0 of y is declared as 8\*_height, 24 here; the run has 25$"):
            held(("8*_height",), (25,))

    @pytest.mark.parametrize("expression", HOSTILE)
    def test_hostile(self, expression):
        """An expression of another kind is not evaluated, and every size passes."""
        assert held((expression,), (7,), height=5) == {"height": 5}
