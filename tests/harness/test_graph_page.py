"""The page of a large graph that fails, in a browser: what fails is in view, and the graph can be read."""

from dataclasses import replace
from itertools import pairwise

import pytest

from onnxproof.report.page import write_report
from onnxproof.results import GraphInput, GraphNode, GraphResult, Where
from tests.harness.runs import CHECKED, EMPTY, GRAPH, write_repro, write_results

LENGTH = 200
FAILING = "v130"
"""An output of a node in `blocks.3`, of the six modules of 30 nodes that follow the stem."""

EMPTY_GRAPH = GraphResult("z.onnx", "", 17, [], [], [], {})
"""A graph without a box, which a results.json can have."""


def large_graph():
    """x → Relu → Relu → …, in a stem and six blocks of two parts; every tenth node is a Softmax."""
    names = ["x", *(f"v{number}" for number in range(LENGTH))]
    nodes = [
        GraphNode("Softmax" if number % 10 == 0 else "Relu", [a], ["X"], [b], {"axis": "1"}, module_at(number))
        for number, (a, b) in enumerate(pairwise(names))
    ]
    file = f"{CHECKED.repro}/model.onnx"
    return GraphResult(file, "", 17, [GraphInput("x", "float32 1", False)], [names[-1]], nodes, {})


def module_at(number):
    block, place = divmod(number - 20, 30)
    return f"blocks.{block}.{'attention' if place < 20 else 'mlp'}" if number >= 20 else "stem"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    where = Where("blocks.3", "Block", "network.py:3", (FAILING,), "metadata", ((FAILING, 0.02),))
    findings = [replace(CHECKED, node=FAILING, where=where), replace(CHECKED, check="same-values", repro="")]
    write_repro(folder)
    results = replace(EMPTY, findings=findings, graphs=[large_graph(), GRAPH, EMPTY_GRAPH])
    return write_report([write_results(folder, results)], folder).as_uri()


def in_sight(box, canvas):
    """Whether a box is within the canvas."""
    inner, outer = box.bounding_box(), canvas.bounding_box()
    return all(
        outer[edge] <= inner[edge] and inner[edge] + inner[size] <= outer[edge] + outer[size]
        for edge, size in (("x", "width"), ("y", "height"))
    )


def overlaps(places):
    return [
        (a, b)
        for number, a in enumerate(places)
        for b in places[:number]
        if a["x"] < b["x"] + b["width"]
        and b["x"] < a["x"] + a["width"]
        and a["y"] < b["y"] + b["height"]
        and b["y"] < a["y"] + a["height"]
    ]


def boxes(page, name=""):
    return page.locator(f"#graph-1 .box{name}")


@pytest.mark.parametrize("width", [pytest.param(390, id="phone"), pytest.param(1280, id="desk")])
class TestFirstScreen:
    """What fails is first."""

    def test_findings(self, opened, width):
        """The problem and the advice of the first failure are on the first screen, whole."""
        page = opened(viewport={"width": width, "height": 844})
        for text in (CHECKED.problem, CHECKED.advice):
            found = page.get_by_text(text).first.bounding_box()
            assert found["x"] + found["width"] <= width
            assert found["y"] + found["height"] <= 844

    def test_failing_node(self, opened, width):
        """The node that fails is in the middle of the graph; the modules around it are open, few others are."""
        page = opened(viewport={"width": width, "height": 844})
        canvas = page.locator("#graph-1 .canvas")
        canvas.scroll_into_view_if_needed()
        failing = boxes(page, ".fails")
        assert failing.inner_text().split("\n")[:3] == ["Softmax", "✗ fails here", "wrong by 2 %"]
        assert failing.evaluate("each => each.style.getPropertyValue('--depth')").endswith("%")
        assert in_sight(failing, canvas)
        assert boxes(page).count() < LENGTH / 2
        assert page.evaluate("document.documentElement.scrollWidth") == width


class TestGraph:
    """The graph is opened, found, zoomed and walked."""

    def test_no_overlap(self, opened):
        """No box lies on another one, even if all modules are open."""
        page = opened()
        page.get_by_role("button", name="Open all").click()
        assert boxes(page, ".node").count() == LENGTH
        assert overlaps([box.bounding_box() for box in boxes(page).all()]) == []

    def test_module(self, opened):
        """A module is opened and closed, with the keyboard and the mouse, and keeps the focus."""
        page = opened()
        page.get_by_role("button", name="Close all").click()
        assert boxes(page).count() == 4  # the input, two modules, the output
        blocks = page.get_by_role("button", name="blocks 180 nodes")
        blocks.focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.ariaExpanded") == "true"
        assert boxes(page).count() == 10
        page.keyboard.press("Enter")
        assert boxes(page).count() == 4
        boxes(page, ".module").last.click()
        assert boxes(page).count() == 10

    def test_keys(self, opened):
        """Tab reaches one box; arrows reach its neighbours, and the keys of the zoom are taken."""
        page = opened()
        page.get_by_role("button", name="Close all").click()
        page.keyboard.press("Tab")
        walked = []
        for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown", "ArrowDown"):
            page.keyboard.press(key)
            walked.append(page.evaluate("document.activeElement.querySelector('b').textContent"))
        assert walked == ["stem", "x", "x", "stem", "blocks"]
        before = boxes(page).first.bounding_box()["width"]
        page.keyboard.press("+")
        assert boxes(page).first.bounding_box()["width"] == pytest.approx(1.25 * before, rel=0.05)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('.graph-view')") is None

    def test_search(self, opened):
        """A search counts the nodes with all words; Enter opens the modules around the next, and shows it."""
        page = opened()
        page.get_by_role("button", name="Close all").click()
        field = page.get_by_label("Find a node").first
        field.fill("softmax blocks.5 v190")
        assert page.locator("#graph-1 output").inner_text() == "1 found, Enter shows the next"
        assert boxes(page, ".hit").inner_text().startswith("blocks")
        field.press("Enter")
        assert in_sight(boxes(page, ".current"), page.locator("#graph-1 .canvas"))
        assert boxes(page, ".current").inner_text().startswith("Softmax")
        field.fill("nothing like it")
        assert page.locator("#graph-1 output").inner_text() == "0 found"
        assert boxes(page, ".hit").count() == 0

    def test_zoom(self, opened):
        """The whole graph fits, and what was in the middle stays there."""
        page = opened()
        page.get_by_role("button", name="Close all").click()
        page.get_by_role("button", name="Whole").click()
        canvas = page.locator("#graph-1 .canvas")
        assert all(in_sight(box, canvas) for box in boxes(page).all())
        page.get_by_role("button", name="Smaller").click()
        assert all(in_sight(box, canvas) for box in boxes(page).all())

    def test_link(self, opened):
        """The link of a finding shows its node, also when the graph is closed."""
        page = opened(reduced_motion="reduce")
        page.get_by_role("button", name="Close all").click()
        page.locator("#graph-1 summary").click()
        page.get_by_role("link", name="the node in the graph").click()
        assert page.evaluate("document.activeElement.classList.contains('fails')")
        assert in_sight(boxes(page, ".fails"), page.locator("#graph-1 .canvas"))

    def test_small_graph(self, opened):
        """A small graph has all its nodes and no tools."""
        page = opened()
        assert [box.inner_text().split("\n")[0] for box in page.locator("#file-1 .box").all()] == [
            "input",
            "factor",
            "Resize",
            "Conv",
            "output",
        ]
        assert not page.locator("#file-1 .tools").is_visible()
        assert page.locator("#file-1 path").count() == 3
