"""results.json is read with its types, or refused by name: it may come from anywhere."""

import json
import math
import os

import pytest

from onnxproof.results import SCHEMA, ResultsError, read_results

LISTS = ("targets", "claims", "comparisons", "findings", "graphs", "latency")
EMPTY = {"schema": SCHEMA, "name": "", "environment": {}} | {name: [] for name in LISTS}
PARITY = {"case": "face", "output": "y", "problem": ""} | dict.fromkeys(("difference", "error", "bound"), 0.5)
COMPARISON = {"parity": PARITY, "spec": "test_face", "pixels": None, "pictures": {}}
CHECKED = dict.fromkeys(("case", "exporter", "file", "check", "figure", "problem", "advice"), "") | {
    "opset": None,
    "verdict": "holds",
}
PLACE = 4567
"""A number in a file, to be replaced by another text."""


@pytest.fixture
def write(tmp_path):
    """Writes results.json: an object, a text or bytes."""

    def to(content):
        if not isinstance(content, bytes | str):
            content = json.dumps(content)
        path = tmp_path / "results.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to


@pytest.fixture
def refusal(write):
    """The message about a file that is refused: its name, what is wrong, and what to do."""

    def get(content):
        path = write(content)
        with pytest.raises(ResultsError) as refused:
            read_results(path)
        message = str(refused.value)
        assert message.startswith(f"{path}: ")
        assert "; " in message
        return message.removeprefix(f"{path}: ")

    return get


def with_comparison(**changed) -> dict:
    parity = PARITY | {name: changed.pop(name) for name in PARITY if name in changed}
    return EMPTY | {"comparisons": [COMPARISON | {"parity": parity} | changed]}


def text_with(text: str, **place) -> str:
    """The JSON of a comparison in which `PLACE` is replaced by what `json` does not write."""
    return json.dumps(with_comparison(**place)).replace(str(PLACE), text)


class TestRead:
    """A run's results are read."""

    def test_empty_run(self, write):
        """A run without specs has its schema and nothing in it."""
        results = read_results(write(EMPTY))
        assert (results.schema, results.comparisons) == (SCHEMA, [])

    @pytest.mark.parametrize("value", [math.inf, -math.inf, 1e300, 5e-324, -0.0, 3])
    def test_numbers(self, write, value):
        """Every float that a run can leave comes back, even those that JSON does not know."""
        assert read_results(write(with_comparison(error=value))).comparisons[0].parity.error == value

    def test_nan(self, write):
        """So does NaN."""
        assert math.isnan(read_results(write(with_comparison(error=math.nan))).comparisons[0].parity.error)

    def test_newer_field(self, write):
        """A field that a later version added is ignored."""
        assert read_results(write(EMPTY | {"later": [1]})) == read_results(write(EMPTY))

    @pytest.mark.parametrize("text", ["\0", "<script>alert(1)</script>", "\x1b[31m", "𝔘\u202e", "a" * 10**6])
    def test_texts(self, write, text):
        """Any text comes back unchanged."""
        assert read_results(write(EMPTY | {"name": text})).name == text

    def test_same_key_twice(self, write):
        """The last of two equal keys counts."""
        twice = json.dumps(EMPTY | {"name": "first"})[:-1] + ', "name": "last"}'
        assert read_results(write(twice)).name == "last"


class TestRefused:
    """Any other file is refused, and the message names the file and says what to do."""

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"\xef\xbb\xbf", id="byte-order-mark-alone"),
            pytest.param(b"\0" * 100, id="zeros"),
            pytest.param(b"not JSON", id="text"),
            pytest.param(json.dumps(EMPTY)[:-1], id="truncated"),
            pytest.param(json.dumps(EMPTY) * 2, id="twice"),
            pytest.param(json.dumps(EMPTY | {"name": PLACE}).replace(str(PLACE), '"a\nb"'), id="control-character"),
            pytest.param(json.dumps(EMPTY | {"name": PLACE}).encode().replace(b"4567", b'"\xff"'), id="not-utf8"),
            pytest.param(text_with("9" * 10_000, error=PLACE), id="number-of-10000-digits"),
            pytest.param("[" * 200_000 + "]" * 200_000, id="deep-list"),
            pytest.param('{"schema":' * 200_000, id="deep-object"),
            pytest.param(
                json.dumps(EMPTY)[:-1] + ', "later": ' + "[" * 200_000 + "]" * 200_000 + "}", id="deep-inside"
            ),
        ],
    )
    def test_no_json(self, refusal, content):
        """A file that is not JSON, or too deep, is refused."""
        assert len(refusal(content)) < 20_000

    @pytest.mark.parametrize("content", [None, [], 3, "text", [EMPTY], {}], ids=repr)
    def test_other_json(self, refusal, content):
        """So is any other JSON."""
        assert refusal(content)

    @pytest.mark.parametrize("missing", EMPTY)
    def test_missing(self, refusal, missing):
        """A part that is missing is named."""
        assert missing in refusal({key: value for key, value in EMPTY.items() if key != missing})

    @pytest.mark.parametrize("part", [*LISTS, "environment"])
    @pytest.mark.parametrize("value", [None, 3, "text", [[]], [3], {"a": 1}], ids=repr)
    def test_part_of_another_type(self, refusal, part, value):
        """A part of another type is named."""
        assert part in refusal(EMPTY | {part: value})

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("case", None),
            ("case", 3),
            ("error", "0.5"),
            ("error", None),
            ("error", True),
            ("error", 10**400),
            ("pixels", {"values": 1, "edges": 0}),
            ("pixels", {"values": 1.5, "edges": 0, "wrong": 0}),
            ("pictures", ["face.png"]),
            ("pictures", {"torch": 3}),
        ],
    )
    def test_field_of_another_type(self, refusal, field, value):
        """A field of another type is named with its place."""
        place = field if field in COMPARISON else f"parity.{field}"
        assert f"$.comparisons[0].{place}" in refusal(with_comparison(**{field: value}))

    def test_unknown_verdict(self, refusal):
        """An unknown verdict is refused with its place."""
        assert "$.findings[0].verdict" in refusal(EMPTY | {"findings": [CHECKED | {"verdict": "<b>holds</b>"}]})

    @pytest.mark.parametrize(
        ("schema", "advice"),
        [(SCHEMA - 1, "run the suite again"), (SCHEMA + 1, "newer version"), (-1, "again"), (10**400, "newer version")],
    )
    def test_other_schema(self, refusal, schema, advice):
        """A file of another schema is refused by its number, whatever else is in it."""
        assert advice in refusal({"schema": schema})

    @pytest.mark.parametrize("schema", [None, "2", 2.5, True, [2]], ids=repr)
    def test_no_schema(self, refusal, schema):
        """A schema that is not an int is refused."""
        assert "schema" in refusal(EMPTY | {"schema": schema})

    @pytest.mark.parametrize("name", ["", "none.json", "name\0.json", "n" * 5000])
    def test_no_file(self, tmp_path, name):
        """A folder, a missing file and an impossible file name are refused."""
        with pytest.raises(ResultsError, match=r": .+; "):
            read_results(os.path.join(tmp_path, name))  # noqa: PTH118
