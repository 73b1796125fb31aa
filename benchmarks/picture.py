"""Take the README's picture of the page: a question to both of the pair, side by side, and a vote.

python benchmarks/picture.py [pairs/demo]     needs Chromium and playwright
"""

import contextlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import stored
from playwright.sync_api import Page, sync_playwright

PICTURE = stored.HOUSE / "docs" / "img" / "page.png"
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SIZE = {"width": 1180, "height": 560}
BEFORE = ("¿Qué es una vicuña?", "When do you open on Saturday?")
QUESTION = (
    "Summarize: Eva looked in the square, but the goat was not there. She called and called, but nobody "
    "answered. They went to the hill together, and there the goat was."
)


@contextlib.contextmanager
def serving(folder: str) -> Iterator[str]:
    """Serve a pair while the picture is taken; gives the address."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "camelid", "serve", folder, "--port", "0", "--quiet"]
        process = subprocess.Popen(
            [*command, "--votes", f"{place}/votes.db"], stdout=subprocess.PIPE, text=True
        )
        try:
            yield re.findall(r"http://\S+", process.stdout.readline())[0]
        finally:
            process.terminate()
            process.wait(30)


def ask(page: Page, who: str, question: str) -> None:
    page.locator(f"#who input[value={who}]").check(force=True)
    page.fill("#question", question)
    page.press("#question", "Enter")
    page.locator("#stop").wait_for(state="hidden")


def take(address: str, picture: Path) -> None:
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(address)
        page.locator("body[data-ready]").wait_for()
        for question in BEFORE:
            ask(page, "alpaca", question)
            page.click("#new-conversation")
        for _ in range(2):  # the first time is for what is slow once
            page.click("#new-conversation")
            ask(page, "both", QUESTION)
        page.locator("#conversations li").nth(1).hover()
        page.locator("#conversations li").nth(1).get_by_text("Delete").click()
        page.click("#confirm-yes")
        page.click(".vote [data-choice=left]")
        page.locator(".vote .small:not(:empty)").wait_for()
        page.mouse.move(600, 20)
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    with serving(sys.argv[1] if len(sys.argv) > 1 else "pairs/demo") as address:
        take(address, PICTURE)
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes\n")
