"""The report works in a browser: from a file, with the keyboard, on a phone, in the dark, and without a network."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from onnxproof.report.differences import COLOURS
from onnxproof.report.page import write_report
from onnxproof.results import ClaimVerdict
from tests.harness.runs import CHECKED, CLAIM, EMPTY, HOLDING, RESULTS, write_pictures, write_results

ONLY_HOLDS = replace(HOLDING, id="only-holds", statement="It holds in every environment.")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page of ten runs; the last one fails a claim that the others hold."""
    folder = tmp_path_factory.mktemp("report")
    paths = []
    for number in range(10):
        verdict = ClaimVerdict.FAILING if number == 9 else ClaimVerdict.HOLDS
        claim = replace(HOLDING, verdicts={"": verdict})
        write_pictures(folder / f"{number}", size=256)
        results = replace(RESULTS, name=f"py311-torch2.{number}", claims=[CLAIM, claim, ONLY_HOLDS])
        paths.append(write_results(folder / f"{number}", results))
    return write_report(paths, folder).as_uri()


def seen(target):
    """A screenshot of a page or an element, as (H, W, 3)."""
    return cv2.imdecode(np.frombuffer(target.screenshot(), np.uint8), cv2.IMREAD_COLOR)


def rows(page):
    return [row.inner_text().split()[-1] for row in page.locator("tr[data-verdicts]:visible th").all()]


class TestClaims:
    """The matrix is filtered and opened."""

    def test_sentence(self, opened):
        """The page opens with its sentence."""
        assert opened().locator("h1").inner_text().startswith("In 10 environments, 1 of 3 claims holds everywhere, ")

    def test_words(self, opened):
        """Only claims with all words, in any order, are shown and counted."""
        page = opened()
        page.get_by_label("Find", exact=True).fill("height FACTOR")
        assert rows(page) == ["operator-order"]
        assert page.locator("#found").inner_text() == "1 of 3 claims"
        assert page.locator("tr.chapter:visible").count() == 1

    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            pytest.param("every verdict", ["operator-order", "fixed-factor", "only-holds"], id="every"),
            pytest.param("failing", ["fixed-factor"], id="failing"),
            pytest.param("departs", ["operator-order"], id="departs"),
            pytest.param("not applicable", [], id="none"),
            pytest.param("differs between environments", ["fixed-factor"], id="differs"),
        ],
    )
    def test_verdict(self, opened, choice, expected):
        """Only claims with the verdict in some environment are shown."""
        page = opened()
        page.get_by_label("Show").select_option(choice)
        assert rows(page) == expected

    def test_dialog(self, opened):
        """Keys reach and open a cell; it shows its reason and evidence, and returns the focus."""
        page = opened()
        page.get_by_label("Show").focus()
        for key in ("Tab", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp", "Enter"):
            page.keyboard.press(key)
        dialog = page.get_by_role("dialog")
        assert dialog.locator("#dialog-title").inner_text() == "py311-torch2.2"
        assert "the axes are the picture's own" in dialog.inner_text()
        assert dialog.get_by_role("link").get_attribute("href") == "https://example.org/order"
        assert CLAIM.specs[0] in dialog.inner_text()
        page.keyboard.press("Escape")
        assert not dialog.is_visible()
        label = "operator-order, py311-torch2.2: torch.export: departs, torchscript: holds"
        assert page.evaluate("document.activeElement.ariaLabel") == label

    def test_header_stays(self, opened):
        """The environments stay in sight while the matrix is scrolled."""
        page = opened(viewport={"width": 1280, "height": 200})
        before = page.locator("#matrix thead").bounding_box()["y"] - page.locator(".matrix").bounding_box()["y"]
        page.locator(".matrix").evaluate("box => box.scrollTop = 100")
        assert page.locator(".matrix").evaluate("box => box.scrollTop") == 100
        after = page.locator("#matrix thead th").first.bounding_box()["y"] - page.locator(".matrix").bounding_box()["y"]
        assert after == pytest.approx(before, abs=2)


class TestPictures:
    """Two pictures lie over each other, with a slider between them."""

    def test_slider(self, opened):
        """At its ends the slider shows one picture, between them a part of each."""
        page = opened()
        viewer = page.locator(".viewer")
        viewer.get_by_role("combobox", name="Left").select_option("difference")
        stage, slider = viewer.locator(".stage"), viewer.get_by_role("slider")
        slider.focus()
        middle = seen(stage)
        slider.press("End")
        left = seen(stage)
        slider.press("Home")
        right = seen(stage)
        half = stage.bounding_box()["width"] / 2
        columns = slice(8, int(half) - 8), slice(int(half) + 8, -8)
        assert left[:, columns[1]].std() < 10 < right[:, columns[0]].std()
        np.testing.assert_array_equal(middle[:, columns[0]], left[:, columns[0]])
        np.testing.assert_array_equal(middle[:, columns[1]], right[:, columns[1]])

    def test_drag(self, opened):
        """A click on the picture moves the slider."""
        page = opened()
        stage = page.locator(".stage")
        stage.scroll_into_view_if_needed()
        stage.click(position={"x": stage.bounding_box()["width"] / 4, "y": 50})
        assert page.get_by_role("slider").input_value() == "25"

    def test_all_are_there(self, opened):
        """Every picture is decoded, and the difference has its scale and a mark of each colour in it."""
        page = opened()
        widths = page.locator(".strip img").evaluate_all("images => images.map((image) => image.naturalWidth)")
        assert widths == [256] * 4 + [86]
        assert page.locator(".scale").inner_text().strip() == "1 level: 7"
        assert (seen(page.locator(".map img")) == COLOURS[0][::-1]).all(axis=2).any()


class TestLongProblem:
    """A message of an engine does not push what to do off the first screen."""

    MESSAGE = f"the file refuses another size: onnxruntime: [ONNXRuntimeError] {'Status Message, ' * 60}the end"

    @pytest.fixture
    def phone(self, opened, tmp_path):
        """The page of a failure with a long message, on a phone."""
        results = replace(EMPTY, findings=[replace(CHECKED, problem=f"{self.MESSAGE}; something was frozen")])
        page = opened(viewport={"width": 390, "height": 780})
        page.goto(write_report([write_results(tmp_path, results)], tmp_path).as_uri())
        return page

    def test_first_screen(self, phone):
        """The first screen has what fails, who is responsible and the advice; the message is closed, and not lost."""
        box = phone.locator(".advice").bounding_box()
        assert box["y"] + box["height"] < 780
        assert phone.locator(".problem summary").inner_text().endswith(" … something was frozen")
        assert not phone.get_by_text(self.MESSAGE).is_visible()
        assert self.MESSAGE in phone.content()

    def test_keyboard(self, phone):
        """A key opens the message."""
        phone.locator(".problem summary").focus()
        phone.keyboard.press("Enter")
        assert phone.get_by_text(self.MESSAGE).is_visible()

    def test_paper(self, phone):
        """On paper it is open."""
        phone.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert phone.get_by_text(self.MESSAGE).is_visible()


class TestWindow:
    """The page suits the window that it is in."""

    @pytest.mark.parametrize("width", [pytest.param(360, id="phone"), pytest.param(1280, id="desk")])
    def test_width(self, opened, width):
        """The page is as wide as the window; wide tables scroll in their boxes, and reasons do not."""
        page = opened(viewport={"width": width, "height": 780})
        page.locator("details").evaluate_all("all => all.forEach((details) => (details.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        boxes = [reason.bounding_box() for reason in page.locator(".findings p").all()]
        assert len(boxes) == 4
        assert all(box["width"] > width / 2 and box["x"] + box["width"] <= width for box in boxes)

    def test_bars(self, opened):
        """On a phone each contender has its ratio in sight, and a bar below it that is as wide as the box."""
        page = opened(viewport={"width": 390, "height": 780})
        box = page.locator(".scroll:has(.latency)").first
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
        width = box.bounding_box()["width"]
        for row in box.locator("tbody tr").all():
            name, ratio, bar = (row.locator(part).bounding_box() for part in ("th", ".ratio", "svg"))
            assert ratio["x"] + ratio["width"] <= 390
            assert ratio["y"] <= name["y"] < name["y"] + name["height"] <= bar["y"]
            assert bar["width"] > 0.85 * width

    def test_dark(self, opened):
        """With a dark colour scheme, the page is dark and its text light."""
        light, dark = (
            opened(color_scheme=scheme)
            .locator("body")
            .evaluate("body => [getComputedStyle(body).backgroundColor, getComputedStyle(body).color]")
            for scheme in ("light", "dark")
        )
        assert light == ["rgb(252, 252, 250)", "rgb(28, 31, 35)"]
        assert dark == ["rgb(21, 24, 27)", "rgb(230, 232, 234)"]

    def test_screenshot(self, opened):
        """The first screen has many colours."""
        assert len(np.unique(seen(opened()).reshape(-1, 3), axis=0)) > 100

    def test_paper(self, opened):
        """On paper all details are open, and nothing scrolls."""
        page = opened()
        page.emulate_media(media="print")
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.locator("section > details:not([open])").count() == 0
        assert page.locator(".matrix").evaluate("box => getComputedStyle(box).overflow") == "visible"
