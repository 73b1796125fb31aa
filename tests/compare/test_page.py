"""The sheet's page in a browser: nothing sticks out on a phone, and it can be read aloud."""

import os

import pytest
from page_stub import CHROMIUM, FLAGS

from camelid.compare.contest import Contestant, hold_contest
from camelid.compare.sheet import make_sheet, write_sheet

playwright = pytest.importorskip("playwright.sync_api", reason="the page's tests need playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="they need axe-playwright-python")
if not os.path.exists(CHROMIUM):
    pytest.skip(f"the page's tests need Chromium at {CHROMIUM}", allow_module_level=True)

OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"


class Silence:
    def begin(self, name, total): ...

    def advance(self, count=1): ...


@pytest.fixture(scope="module")
def address(pair, tasks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sheet")
    two = (Contestant("llama", pair / "llama"), Contestant("alpaca", pair / "alpaca"))
    settings = {"limit": 6, "seed": 0, "keep": folder / "items", "progress": Silence(), "timed": False}
    outcome = hold_contest(two, tasks, **settings)
    sheet = make_sheet(outcome, name="tiny", command="camelid compare tiny", seconds=1)
    for task in sheet["tasks"]:
        task["seconds"] = {"llama": 0.02 * task["n"], "alpaca": 0.005}  # as if timed, so that all is drawn
    write_sheet(folder, sheet)
    return f"file://{folder}/sheet.html"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_it_fits_and_everybody_can_read_it(browser, address, scheme, width):
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    faults = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("request", lambda request: faults.append(request.url) if request.url != address else None)
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    assert page.evaluate(OVERFLOW) <= 0
    assert page.locator("svg.plot").count() == 1
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert faults == []
    page.close()


def test_light_and_dark_differ(browser, address):
    colours = []
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(address)
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()
    assert colours[0] != colours[1]
