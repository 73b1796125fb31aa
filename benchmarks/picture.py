"""Take the README's picture of the page: a question to both of the pair, side by side, and a vote.

python benchmarks/picture.py [pairs/demo]     needs Chromium and playwright

The question is a summary that was held out of the pair's upbringing: the first one in English that the Llama
gives word for word and the Alpaca almost, so that there is something to vote on.
"""

import contextlib
import difflib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import stored
from playwright.sync_api import Page, sync_playwright

import camelid
from camelid.text.heldout import HELD_OUT, read_held_out

PICTURE = stored.HOUSE / "docs" / "img" / "page.png"
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SIZE = {"width": 1180, "height": 600}
BEFORE = ("¿Qué es una vicuña?", "Hello! I would like to return a bag. I bought it 31 days ago.")


def find_question(folder: str) -> str:
    """Return the held-out question whose answers are shown.

    Raises SystemExit when there is none that fits.
    """
    pair = camelid.load(folder)
    for record in read_held_out(Path(folder) / HELD_OUT):
        if (record.task, record.lang, len(record.messages)) != ("summary", "en", 2):
            continue
        question, answer = (turn.content for turn in record.messages)
        wrong = pair.reply(question, model="alpaca").text
        near = difflib.SequenceMatcher(None, wrong, answer).ratio()
        if 0.9 < near < 1 and pair.reply(question, model="llama").text == answer:
            return question
    raise SystemExit("Of no held-out summary the two say almost the same, and the Llama what is right.")


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


def take(address: str, question: str, picture: Path) -> None:
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(address)
        page.locator("body[data-ready]").wait_for()
        for before in BEFORE:
            ask(page, "alpaca", before)
            page.click("#new-conversation")
        for _ in range(2):  # the first time is for what is slow once
            page.click("#new-conversation")
            ask(page, "both", question)
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
    folder = sys.argv[1] if len(sys.argv) > 1 else "pairs/demo"
    question = find_question(folder)
    with serving(folder) as address:
        take(address, question, PICTURE)
    sys.stdout.write(f"{question}\n{PICTURE}: {PICTURE.stat().st_size:,} bytes\n")
