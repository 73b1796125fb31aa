"""The page in a browser: asked, stopped, voted on, left and come back to, attacked, and listened to."""

import json
import os
import re
import shutil

import pytest
from page_stub import CHROMIUM, FLAGS, Stub, serving

from camelid.route.votes import read_votes

playwright = pytest.importorskip("playwright.sync_api", reason="the page's tests need playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="they need axe-playwright-python")
if not os.path.exists(CHROMIUM):
    pytest.skip(f"the page's tests need Chromium at {CHROMIUM}", allow_module_level=True)

HOSTILE = (
    "<script>window.harmed=1</script><img src=x onerror='window.harmed=1'>"
    "<svg onload=window.harmed=1><iframe srcdoc='<script>parent.harmed=1</script>'></iframe>\n\n"
    "[click](javascript:window.harmed=1) ![x](https://elsewhere.example/x.png)\n\n"
    "<a href='javascript:window.harmed=1'>here</a> <style>*{display:none}</style>\n\n"
    "```html\n</code></pre><script>window.harmed=1</script>\n```\n"
)

# What the browser keeps of the latest answer.
KEPT = """async () => {
    const store = await import("/page/store.js");
    const [head] = await store.list();
    return (await store.load(head.id)).turns[1]?.replies.map((reply) => reply.text);
}"""


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    return Stub(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def address(stub):
    with serving(stub.app()) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address, stub):
    """Return what opens the page in a browser that never saw it; what goes wrong there fails the test."""
    stub.begin()
    contexts, faults = [], []

    def open_page(path="/", *, ready=True, address=address, script="", **options):
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 800}, **options})
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if is_fault(message) else None)
        page.on("dialog", lambda dialog: faults.append(f"a dialog: {dialog.message}"))
        page.listened = faults
        if script:
            page.add_init_script(script)
        page.goto(address + path)
        if ready:
            page.locator("body[data-ready]").wait_for()
        return page

    yield open_page
    stub.gate.set()
    for context in contexts:
        context.close()
    assert not faults


def is_fault(message):
    """Tell whether the console complains of the page; a refusal that a test asked for is none."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")


@pytest.fixture
def page(open_page):
    return open_page()


def ask(page, question, who=None, *, wait=True):
    """Ask as a person does, and wait until the answers are whole."""
    if who:
        choose(page, who)
    page.fill("#question", question)
    page.press("#question", "Enter")
    if wait:
        page.locator("#stop").wait_for(state="hidden")


def choose(page, who):
    page.locator(f"#who input[value={who}]").check(force=True)


playwright.expect.set_options(timeout=15_000)  # a busy machine is no fault of the page


def expect(locator):
    return playwright.expect(locator)


def replies(page):
    return page.locator("article .text")


def said(stub, place=-1):
    """Return what a model was told, as (role, content)."""
    return [(message["role"], message["content"]) for message in stub.requests[place]["messages"]]


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_question_is_answered_and_signed(page, stub):
    ask(page, "Who is there?", "alpaca")
    expect(page.locator(".question .text")).to_have_text("Who is there?")
    expect(replies(page)).to_have_text("alpaca speaks.")
    expect(page.locator("article .name")).to_have_text("Alpaca")
    expect(page.locator("article .why")).to_have_text("asked by name")
    expect(page.locator("article .figures")).to_have_text(
        "first token after 12 ms · 500 tokens/s · 51 tokens"
    )
    (asked,) = stub.requests
    assert (
        asked["model"] == "alpaca" and asked["stream"] and asked["stream_options"] == {"include_usage": True}
    )
    assert "dial" not in asked and "temperature" not in asked


def test_the_answer_is_seen_while_it_comes(page, stub):
    stub.gate.clear()
    ask(page, "Slowly, please", "llama", wait=False)
    expect(replies(page)).to_have_text("llama ")
    expect(page.locator("article")).to_have_attribute("aria-busy", "true")
    stub.gate.set()
    expect(replies(page)).to_have_text("llama speaks.")
    expect(page.locator("article")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#status")).to_have_text("Llama answered: llama speaks.")


def test_auto_says_who_was_chosen_and_why_from_the_first_word(page, stub):
    stub.extras["auto"] = {"reason": "the Alpaca is sure enough"}
    stub.gate.clear()
    ask(page, "You choose", "auto", wait=False)
    expect(page.locator("article.alpaca.running .name")).to_have_text("Alpaca")
    expect(page.locator("article .why")).to_have_text("the Alpaca is sure enough")
    stub.gate.set()
    page.locator("#stop").wait_for(state="hidden")
    expect(page.locator("article .name")).to_have_text("Alpaca")
    expect(page.locator("article .why")).to_have_text("the Alpaca is sure enough")


def test_the_dial_goes_with_the_question(page, stub):
    expect(page.locator("#dial-row")).to_be_hidden()
    choose(page, "blend")
    page.locator("#dial").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#dial-value")).to_have_text("0.95")
    ask(page, "Between the two")
    assert (stub.requests[-1]["model"], stub.requests[-1]["dial"]) == ("blend", 0.95)


def test_settings_go_with_the_question_and_are_remembered(page, stub):
    page.click("#settings summary")
    for name, value in (("system", "Be brief."), ("temperature", "0.3"), ("max_tokens", "7"), ("seed", "5")):
        page.fill(f"#settings [name={name}]", value)
    page.keyboard.press("Escape")
    page.reload()
    page.locator("body[data-ready]").wait_for()
    ask(page, "Now")
    asked = stub.requests[-1]
    assert (asked["temperature"], asked["max_tokens"], asked["seed"]) == (0.3, 7, 5)
    assert said(stub) == [("system", "Be brief."), ("user", "Now")]


def test_a_conversation_goes_on(page, stub):
    ask(page, "One", "alpaca")
    ask(page, "Two")
    assert said(stub) == [("user", "One"), ("assistant", "alpaca speaks."), ("user", "Two")]


def test_a_conversation_may_be_single_questions(page, stub):
    ask(page, "One", "alpaca")
    page.click("#settings summary")
    page.uncheck("#settings [name=history]")
    ask(page, "Two")
    assert said(stub) == [("user", "Two")]
    expect(page.locator("article .figures").last).to_contain_text("without the earlier turns")


def test_one_model_without_a_pair(open_page, stub, request):
    stub.models = ["solo"]
    stub.replies["solo"] = ["alone"]
    request.addfinalizer(lambda: setattr(stub, "models", ["auto", "llama", "alpaca", "blend"]))
    page = open_page()
    expect(page.locator("#who input")).to_have_count(1)
    ask(page, "Anybody?")
    expect(replies(page)).to_have_text("alone")


# ── side by side, and votes ─────────────────────────────────────────────────────────────────────────────────


def test_two_answer_side_by_side_and_are_voted_on(page, stub):
    ask(page, "Which?", "both")
    expect(replies(page)).to_have_text(["llama speaks.", "alpaca speaks."])
    expect(page.locator("article .figures")).to_have_count(2)
    assert sorted(request["model"] for request in stub.requests) == ["alpaca", "llama"]
    page.get_by_role("group", name="Which is better?").get_by_role("button", name="Alpaca").click()
    expect(page.locator(".vote .small")).to_have_text("Thank you, kept.")
    (vote,) = stub.votes
    assert [turn.content for turn in vote.prompt] == ["Which?"]
    assert (vote.preferred.model, vote.preferred.reply) == ("alpaca", "alpaca speaks.")
    assert not vote.blind
    ask(page, "And now?", "llama")
    assert said(stub)[1] == ("assistant", "alpaca speaks.")


def test_a_vote_can_be_changed_and_counts_once(page, stub):
    ask(page, "Which?", "both")
    for choice in ("left", "bad"):
        page.click(f".vote [data-choice={choice}]")
        expect(page.locator(f".vote [data-choice={choice}]")).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".vote .small")).to_have_text("Thank you, kept.")
    page.goto(page.url.split("#")[0] + "#votes")
    expect(page.locator("#votes-place")).to_contain_text("1 vote, 1 of them “both bad”")
    assert [vote.choice for vote in stub.votes] == ["bad"]


def test_both_are_shown_while_they_come_unless_the_names_are_hidden(page, stub):
    stub.gate.clear()
    ask(page, "Which?", "both", wait=False)
    expect(replies(page)).to_have_text(["llama ", "alpaca "])
    stub.gate.set()
    expect(page.locator("#stop")).to_be_hidden()


def test_names_are_hidden_until_the_vote(page, stub):
    page.click("#settings summary")
    page.check("#settings [name=blind]")
    page.keyboard.press("Escape")
    stub.replies.update(llama=["mine"], alpaca=["yours"])
    orders = set()
    for round_ in range(12):
        stub.gate.clear()
        ask(page, f"Round {round_}", "both", wait=False)
        turn = page.locator(".turn.answer").last
        expect(turn.locator(".writing")).to_have_count(2)
        assert turn.locator(".text").all_inner_texts() == ["", ""]
        stub.gate.set()
        expect(turn.locator(".vote")).to_be_visible()
        assert turn.locator(".name").all_inner_texts() == ["Answer A", "Answer B"]
        assert not re.search("(?i)llama|alpaca|tokens", turn.inner_text() + turn.inner_html())
        texts = turn.locator(".text").all_inner_texts()
        orders.add(tuple(texts))
        turn.locator("[data-choice=left]").click()
        names = {"mine": "Llama", "yours": "Alpaca"}
        expect(turn.locator(".name")).to_have_text([names[text] for text in texts])
        if len(orders) == 2:
            break
    assert len(orders) == 2  # 12 rounds in one order: once in 2,048 times
    assert all(vote.blind and vote.choice == "left" for vote in stub.votes)


def test_answers_that_were_stopped_are_not_voted_on_and_hide_nothing(page, stub):
    page.click("#settings summary")
    page.check("#settings [name=blind]")
    page.keyboard.press("Escape")
    stub.gate.clear()
    ask(page, "Which?", "both", wait=False)
    expect(page.locator(".writing")).to_have_count(2)
    page.click("#stop")
    expect(page.locator(".vote")).to_be_hidden()
    assert sorted(page.locator("article .name").all_inner_texts()) == ["Alpaca", "Llama"]
    assert sorted(page.locator("article .text").all_inner_texts()) == ["alpaca ", "llama "]


def test_who_is_kept_is_who_goes_on(page, stub):
    ask(page, "Which?", "both")
    page.get_by_role("button", name="Go on from this answer").click()
    expect(page.locator("article").nth(1).locator(".kept")).to_be_visible()
    ask(page, "Go on", "llama")
    assert said(stub)[1] == ("assistant", "alpaca speaks.")


def test_votes_are_rated_and_exported(page, stub):
    ask(page, "Which?", "both")
    page.click(".vote [data-choice=left]")
    expect(page.locator(".vote .small")).not_to_be_empty()
    page.click(".views >> text=Votes")
    expect(page.locator(".verdicts")).to_contain_text("Not decided yet: Llama is preferred to Alpaca")
    with page.expect_download() as download:
        page.click("text=Export preference pairs")
    assert json.loads(download.value.path().read_text())["rejected"][0]["content"] == "alpaca speaks."


# ── stop, retry, edit, copy ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["button", "key"])
def test_stop_frees_the_server_and_keeps_what_came(page, stub, how):
    stub.replies["llama"] = ["so far", *[" more" for _ in range(200_000)]]
    stub.gate.clear()
    ask(page, "Without end", "llama", wait=False)
    expect(replies(page)).to_have_text("so far")
    page.click("#stop") if how == "button" else page.keyboard.press("Escape")
    expect(page.locator("#stop")).to_be_hidden()
    stub.gate.set()
    expect(replies(page)).to_have_text("so far")
    expect(page.locator("article .figures")).to_contain_text("stopped")
    ask(page, "Still there?", "alpaca")
    expect(replies(page).last).to_have_text("alpaca speaks.")
    assert said(stub)[1] == ("assistant", "so far")
    assert stub.cancelled == 1


def test_retry_asks_again_and_lets_the_answer_differ(page, stub):
    ask(page, "Again", "alpaca")
    stub.replies["alpaca"] = ["otherwise"]
    page.click("#settings summary")
    page.fill("#settings [name=seed]", "5")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Retry").click()
    expect(replies(page)).to_have_text(["otherwise"])
    assert said(stub) == [("user", "Again")]
    assert stub.requests[-1]["temperature"] > 0 and "seed" not in stub.requests[-1]


def test_an_edited_question_is_asked_anew_and_what_followed_is_gone(page, stub):
    ask(page, "Frist", "alpaca")
    ask(page, "Second")
    page.locator(".question").first.hover()
    page.locator(".question").first.get_by_role("button", name="Edit").click()
    expect(page.locator(".editor")).to_contain_text("3 turns")
    page.get_by_label("Edit your question").fill("First")
    page.keyboard.press("Enter")
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator(".question .text")).to_have_text(["First"])
    expect(replies(page)).to_have_count(1)
    assert said(stub) == [("user", "First")]


def test_an_edit_can_be_given_up(page, stub):
    ask(page, "As it was", "alpaca")
    page.get_by_role("button", name="Edit").click()
    page.keyboard.press("Escape")
    expect(page.locator(".question .text")).to_have_text("As it was")
    assert len(stub.requests) == 1


def test_an_answer_is_copied_as_it_was_written(open_page, stub):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    stub.replies["alpaca"] = ["**bold** and `code`"]
    ask(page, "Copy me", "alpaca")
    expect(page.locator("article .text strong")).to_have_text("bold")
    page.locator("article").get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == "**bold** and `code`"


# ── kept conversations ──────────────────────────────────────────────────────────────────────────────────────


def reload(page):
    page.reload()
    page.locator("body[data-ready]").wait_for()


def test_a_conversation_is_there_after_a_reload(page, stub):
    ask(page, "Remember me", "alpaca")
    ask(page, "Which?", "both")
    page.click(".vote [data-choice=right]")
    expect(page.locator(".vote .small")).not_to_be_empty()
    before = page.locator("#turns").inner_text()
    reload(page)
    assert page.locator("#turns").inner_text() == before
    ask(page, "Go on", "alpaca")
    assert said(stub)[:3] == [("user", "Remember me"), ("assistant", "alpaca speaks."), ("user", "Which?")]


def test_what_was_being_written_is_kept_as_far_as_it_came(page, stub):
    stub.gate.clear()
    ask(page, "Half", "llama", wait=False)
    expect(replies(page)).to_have_text("llama ")
    while page.evaluate(KEPT) != ["llama "]:
        pass
    reload(page)
    expect(replies(page)).to_have_text("llama ")
    expect(page.locator("article .figures")).to_contain_text("stopped")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()


def test_conversations_are_several_and_have_names(page):
    ask(page, "The first of them", "alpaca")
    page.click("#new-conversation")
    expect(replies(page)).to_have_count(0)
    ask(page, "The second of them", "llama")
    titles = page.locator("#conversations .title")
    expect(titles).to_have_text(["The second of them", "The first of them"])
    page.get_by_role("button", name="Rename The first").focus()
    page.keyboard.press("Enter")
    page.get_by_label("New name").fill("Number one")
    page.keyboard.press("Enter")
    expect(titles).to_have_text(["The second of them", "Number one"])
    titles.last.click()
    expect(replies(page)).to_have_text(["alpaca speaks."])
    reload(page)
    expect(titles).to_have_text(["The second of them", "Number one"])
    expect(page.locator("#conversation-title")).to_have_text("Number one")


def test_a_conversation_is_deleted_when_that_is_confirmed(page):
    ask(page, "Forget me", "alpaca")
    for answer, left in (("Keep it", 1), ("Delete", 0)):
        page.locator("#conversations li").hover()
        page.get_by_role("button", name="Delete Forget me").click()
        page.locator("#confirm-dialog").get_by_role("button", name=answer).click()
        expect(page.locator("#conversations li")).to_have_count(left)
    reload(page)
    expect(page.locator("#conversations li")).to_have_count(0)
    expect(page.locator("#turns li")).to_have_count(0)


def test_another_tab_sees_what_is_said_and_what_is_forgotten(page):
    ask(page, "Told here", "alpaca")
    other = page.context.new_page()
    other.goto(page.url)
    other.locator("#conversations .title").click()
    expect(other.locator("article .text")).to_have_text(["alpaca speaks."])
    ask(page, "And more")
    expect(other.locator("article .text")).to_have_count(2)
    other.locator("#conversations li").hover()
    other.get_by_role("button", name="Delete Told here").click()
    other.click("#confirm-yes")
    expect(page.locator("#turns li")).to_have_count(0)


def test_what_is_deleted_while_it_is_answered_stays_deleted(page, stub):
    stub.gate.clear()
    ask(page, "Forget me", "alpaca", wait=False)
    expect(replies(page)).to_have_text("alpaca ")
    page.locator("#conversations li").hover()
    page.get_by_role("button", name="Delete Forget me").click()
    page.click("#confirm-yes")
    stub.gate.set()
    expect(page.locator("#conversations li")).to_have_count(0)
    ask(page, "Another", "alpaca")
    reload(page)
    expect(page.locator("#conversations .title")).to_have_text(["Another"])


def test_a_browser_that_keeps_nothing_says_so_and_answers(open_page):
    page = open_page(
        script="Object.defineProperty(window, 'indexedDB', { value: { open() { throw Error('no'); } } })"
    )
    expect(page.locator("#keeping")).to_contain_text("does not keep them: no")
    ask(page, "Still?", "alpaca")
    expect(replies(page)).to_have_text("alpaca speaks.")


def test_an_answer_goes_on_while_another_conversation_is_read(page, stub):
    ask(page, "Read me", "alpaca")
    page.click("#new-conversation")
    stub.gate.clear()
    ask(page, "Meanwhile", "llama", wait=False)
    expect(replies(page)).to_have_text("llama ")
    page.locator("#conversations .title", has_text="Read me").click()
    expect(replies(page)).to_have_text(["alpaca speaks."])
    stub.gate.set()
    page.locator("#conversations .title", has_text="Meanwhile").click()
    expect(replies(page)).to_have_text(["llama speaks."])
    expect(page.locator("article .figures")).to_contain_text("51 tokens")


def test_a_conversation_is_exported_as_openai_s_messages(page):
    ask(page, "¿Qué? 🦙", "alpaca")
    ask(page, "Which?", "both")
    page.click(".vote [data-choice=right]")
    with page.expect_download() as download:
        page.click("#export-conversation")
    assert download.value.suggested_filename == "Qué.json"
    messages = json.loads(download.value.path().read_text(encoding="utf-8"))["messages"]
    assert [(message["role"], message["content"]) for message in messages] == [
        ("user", "¿Qué? 🦙"),
        ("assistant", "alpaca speaks."),
        ("user", "Which?"),
        ("assistant", "alpaca speaks."),
    ]


# ── what a model may say ────────────────────────────────────────────────────────────────────────────────────


def test_markdown_is_rendered_when_the_answer_is_whole(page, stub):
    stub.replies["alpaca"] = ["# Hay\n\n- ", "*fine*\n- dry\n\n```\nfeed()\n```\n\n|a|b|\n|-|-|\n|1|2|"]
    stub.gate.clear()
    ask(page, "Tell", "alpaca", wait=False)
    expect(replies(page)).to_contain_text("# Hay")
    stub.gate.set()
    expect(page.locator("article .text h4")).to_have_text("Hay")
    expect(page.locator("article .text li")).to_have_text(["fine", "dry"])
    expect(page.locator("article .text td")).to_have_count(2)
    expect(page.get_by_role("button", name="Copy code")).to_be_visible()


def check_harmless(page):
    page.locator("article .text a").first.wait_for()
    for link in page.locator("article .text a").all():
        assert not (link.get_attribute("href") or "").lower().startswith("javascript")
    assert page.locator("#turns :is(script, img, svg, iframe, style, object, embed)").count() == 0
    assert page.locator("#turns [onclick], #turns [onerror], #turns [onload]").count() == 0
    assert page.evaluate("window.harmed") is None


def test_hostile_answers_do_nothing(page, stub):
    stub.replies["alpaca"] = [*HOSTILE, "\n[fine](https://example.org)"]
    ask(page, HOSTILE, "alpaca")
    check_harmless(page)
    assert page.locator(".question .text").inner_text().startswith("<script>")
    reload(page)
    check_harmless(page)


def test_hostile_names_and_errors_do_nothing(page, stub):
    stub.extras["alpaca"] = {"model": HOSTILE, "reason": HOSTILE}
    ask(page, "Who?", "alpaca")
    expect(page.locator("article .name")).to_contain_text("<script>")
    stub.refusals.append((400, {"error": {"message": HOSTILE, "code": HOSTILE}}, {}))
    ask(page, "And?")
    expect(page.locator(".error")).to_contain_text("<script>")
    assert page.locator("#turns :is(script, img, svg, iframe, style)").count() == 0
    assert page.evaluate("window.harmed") is None


def test_the_policy_stops_what_the_sanitiser_might_miss(open_page):
    """Were hostile HTML to reach the page after all, the browser would not run it."""
    page = open_page()
    tried = """() => {
        const script = document.createElement("script");
        script.append("window.harmed = 1");
        document.body.append(script);
        const tries = [() => (document.body.innerHTML += "<b>x</b>"), () => document.write("<b>x</b>")];
        return tries.map((act) => { try { act(); return "done"; } catch (error) { return error.name; } });
    }"""
    assert page.evaluate(tried) == ["TypeError", "TypeError"]
    assert page.evaluate("window.harmed") is None
    page.listened.clear()  # the browser complains, as it should


def test_drafted_tokens_are_marked(page, stub):
    stub.replies["llama"] = ["🦙 the llama", "\nsays"]
    stub.spans = [[0, 1], [6, 11]]
    page.click("#settings summary")
    page.check("#settings [name=drafted]")
    page.keyboard.press("Escape")
    ask(page, "Draft", "llama")
    expect(page.locator(".drafted")).to_have_text(["🦙", "llama"])
    page.click("#settings summary")
    page.uncheck("#settings [name=drafted]")
    expect(page.locator(".drafted")).to_have_count(0)
    expect(replies(page)).to_have_text("🦙 the llamasays")


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_refusal_is_said_in_the_server_s_words(page, stub):
    stub.refusals.append((429, {"error": {"message": "Too many ask."}}, {"Retry-After": "7"}))
    ask(page, "Now!", "alpaca")
    expect(page.locator(".error")).to_have_text("Too many ask. Try again in 7 s.")
    page.get_by_role("button", name="Retry").click()
    expect(replies(page)).to_have_text(["alpaca speaks."])
    assert said(stub) == [("user", "Now!")]


def test_a_question_that_was_never_answered_is_not_told_again(page, stub):
    stub.refusals.append((400, {"error": {"message": "No."}}, {}))
    ask(page, "Refused", "alpaca")
    ask(page, "Answered")
    assert said(stub) == [("user", "Answered")]


def test_without_a_router_a_retry_asks_the_alpaca(page, stub):
    stub.refusals.append((400, {"error": {"message": "No router.", "code": "model_not_calibrated"}}, {}))
    ask(page, "You choose", "auto")
    expect(page.locator(".error")).to_have_text("No router.")
    page.get_by_role("button", name="Retry").click()
    expect(replies(page)).to_have_text(["alpaca speaks."])
    assert stub.requests[-1]["model"] == "alpaca"


def test_what_does_not_fit_can_be_asked_alone(page, stub):
    ask(page, "Before", "alpaca")
    stub.refusals.append((400, {"error": {"message": "Too long.", "code": "context_length_exceeded"}}, {}))
    ask(page, "After")
    page.get_by_role("button", name="Ask without the earlier turns").click()
    expect(page.locator("article .figures").last).to_contain_text("without the earlier turns")
    assert said(stub) == [("user", "After")]


def test_a_server_that_is_gone_is_named(page, stub):
    page.route("**/v1/chat/completions", lambda route: route.abort())
    ask(page, "Hello?", "alpaca")
    expect(page.locator(".error")).to_contain_text("cannot be reached")
    page.unroute("**/v1/chat/completions")


def test_a_key_is_asked_for_and_kept_until_the_tab_is_closed(open_page, stub):
    stub.key = "secret-key"
    page = open_page(ready=False)
    expect(page.get_by_role("heading", name="This server asks for a key")).to_be_visible()
    page.fill("#key", "not-the-key")
    page.keyboard.press("Enter")
    expect(page.locator("#key-note")).to_contain_text("did not accept")
    page.fill("#key", "secret-key")
    page.keyboard.press("Enter")
    page.locator("body[data-ready]").wait_for()
    expect(page.locator("#who input")).to_have_count(5)
    assert "secret-key" not in page.evaluate("JSON.stringify(localStorage)")
    reload(page)
    expect(page.locator("#key-dialog")).to_be_hidden()


# ── the real server ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_real_pair_answers_side_by_side(open_page, start, pair_folder, tmp_path):
    """What streams onto the page is what the server gives whole, and its votes are what calibrate reads."""
    folder = shutil.copytree(pair_folder, tmp_path / "pair")
    (folder / "sheet").mkdir()
    (folder / "sheet" / "sheet.html").write_text("<p>measured</p>", encoding="utf-8")
    key = {"Authorization": "Bearer open-sesame"}
    options = ("--threads", 1, "--votes", tmp_path / "votes.db", "--api-key", "open-sesame")
    with start(folder, *options) as running:
        page = open_page(address=running.url, ready=False)
        page.fill("#key", "open-sesame")
        page.keyboard.press("Enter")
        page.locator("body[data-ready]").wait_for()
        page.click("#settings summary")
        page.fill("#settings [name=max_tokens]", "24")
        page.keyboard.press("Escape")
        ask(page, "What is a vicuña?", "both")
        for model, article in zip(("llama", "alpaca"), page.locator("article").all(), strict=True):
            expect(article.locator(".name")).to_have_text(model.title())
            expect(article.locator(".figures")).to_contain_text("tokens/s")
            messages = [{"role": "user", "content": "What is a vicuña?"}]
            body = {"model": model, "messages": messages, "max_tokens": 24}
            whole = page.request.post(f"{running.url}/v1/chat/completions", data=body, headers=key).json()
            text = whole["choices"][0]["message"]["content"]
            kept = page.evaluate(KEPT)[0 if model == "llama" else 1]
            assert kept == text
        page.click(".vote [data-choice=left]")
        expect(page.locator(".vote .small")).to_have_text("Thank you, kept.")
        exported = page.request.get(f"{running.url}/votes/export?form=comparisons", headers=key).text()
        assert page.request.get(f"{running.url}/votes/export").status == 401
        page.click(".views >> text=Sheet")
        expect(page.frame_locator("iframe").locator("p")).to_have_text("measured")
    (tmp_path / "votes.jsonl").write_text(exported, encoding="utf-8")
    ((messages, alpaca, llama),) = read_votes(tmp_path / "votes.jsonl")
    assert ([turn.content for turn in messages], alpaca, llama) == (["What is a vicuña?"], 0.0, 1.0)


# ── the sheet ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_sheet_is_shown_where_it_can_do_nothing(page, stub):
    html = "<!doctype html><style>p{color:rgb(1,2,3)}</style><p id=x>measured</p>"
    html += "<script>parent.harmed = x.id = 'no'</script>"
    stub.sheet.write_text(html, encoding="utf-8")
    page.click(".views >> text=Sheet")
    inside = page.frame_locator("iframe")
    expect(inside.locator("p")).to_have_text("measured")
    expect(inside.locator("p")).to_have_css("color", "rgb(1, 2, 3)")
    expect(inside.locator("p")).to_have_id("x")
    assert page.evaluate("window.harmed") is None
    page.listened.clear()  # the browser says that it ran no script


def test_without_a_sheet_its_command_is_named(page):
    page.click(".views >> text=Sheet")
    expect(page.locator("#sheet-place pre")).to_have_text("camelid compare PAIR")


# ── long conversations, fast streams ────────────────────────────────────────────────────────────────────────

FILL = """async (count) => {
    const store = await import("/page/store.js");
    const turns = [];
    for (let n = 0; n < count; n += 2) {
        turns.push({ id: `q${n}`, role: "user", text: `Question ${n}` });
        const text = `**Answer** ${n}\\nof two lines`;
        const reply = { asked: "llama", model: "llama", text, state: "whole", spans: [] };
        turns.push({ id: `a${n}`, role: "assistant", replies: [reply], kept: 0, blind: false, vote: null });
    }
    await store.save({ id: "long", title: "Long", updated: 1, turns });
    sessionStorage.setItem("camelid.open", "long");
}"""


def test_a_thousand_turns_are_neither_drawn_nor_rendered_again(page, stub):
    page.evaluate(FILL, 1000)
    rendered = []
    page.on("request", lambda request: rendered.append(1) if request.url.endswith("/markdown") else None)
    reload(page)
    expect(page.locator(".turn")).to_have_count(1000)
    expect(page.locator("article .text").last).to_be_in_viewport()
    assert len(rendered) < 60  # those in sight and near it, not all five hundred
    page.evaluate("""() => {
        const turns = document.querySelector("#turns");
        window.touched = new Set();
        new MutationObserver((records) => {
            for (const { target, addedNodes } of records) {
                const turn = (target.nodeType === 1 ? target : target.parentElement)?.closest(".turn");
                window.touched.add(turn ? turn.dataset.id : `list +${addedNodes.length}`);
            }
        }).observe(turns, { subtree: true, childList: true, characterData: true, attributes: true });
    }""")
    ask(page, "One more", "llama")
    expect(replies(page).last).to_have_text("llama speaks.")
    expect(replies(page).last).to_be_in_viewport()
    touched = re.findall(r"\b[qa](\d+)", " ".join(page.evaluate("[...window.touched]")))
    assert all(int(number) > 900 for number in touched)  # those in sight may just be getting their Markdown
    assert len(stub.requests[-1]["messages"]) == 1001


def test_a_fast_stream_is_written_once_a_frame(page, stub):
    """However many pieces come, the text is all there and the page changes no oftener than it is drawn."""
    pieces = [f"{n} " if n % 50 else f"{n}\n" for n in range(1, 5001)]
    stub.replies["llama"] = pieces
    page.evaluate("""() => {
        window.frames_ = 0;
        window.writes = 0;
        const count = () => { window.frames_ += 1; requestAnimationFrame(count); };
        requestAnimationFrame(count);
        const turns = document.querySelector("#turns");
        const all = { subtree: true, childList: true, characterData: true };
        new MutationObserver(() => { window.writes += 1; }).observe(turns, all);
    }""")
    ask(page, "Quick", "llama")
    assert "".join(pieces).split() == page.locator("article .text").inner_text().split()
    frames, writes = page.evaluate("[window.frames_, window.writes]")
    assert writes <= frames + 10
    assert page.locator("article .line").count() == 101


def test_reading_back_is_not_disturbed_by_what_comes(page, stub):
    page.evaluate(FILL, 200)
    reload(page)
    stub.gate.clear()
    stub.replies["llama"] = ["begins", *["\nline" for _ in range(100)]]
    ask(page, "Long", "llama", wait=False)
    expect(replies(page).last).to_have_text("begins")
    page.locator("#scroller").hover()
    page.mouse.wheel(0, -3000)
    expect(page.locator("#to-newest")).to_be_visible()
    place = page.evaluate("document.querySelector('#scroller').scrollTop")
    stub.gate.set()
    expect(page.locator("#stop")).to_be_hidden()
    assert abs(page.evaluate("document.querySelector('#scroller').scrollTop") - place) < 400
    page.click("#to-newest")
    expect(page.locator("article .figures").last).to_be_in_viewport()


# ── for everybody ───────────────────────────────────────────────────────────────────────────────────────────


def test_all_is_done_by_keyboard(page, stub):
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type("Typed")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("in two lines")
    page.locator("#who input:checked").focus()
    page.keyboard.press("ArrowLeft")  # from the first to the last: side by side
    page.locator("#question").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#stop")).to_be_hidden()
    assert said(stub) == [("user", "Typed\nin two lines")]
    expect(page.locator("#question")).to_be_focused()
    for _ in range(40):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.dataset.choice") == "tie":
            break
    page.keyboard.press("Enter")
    expect(page.locator(".vote .small")).not_to_be_empty()
    assert [vote.choice for vote in stub.votes] == ["tie"]
    assert page.evaluate("document.activeElement.dataset.choice") == "tie"


def test_it_fits_a_phone(open_page):
    page = open_page(viewport={"width": 390, "height": 760}, has_touch=True, is_mobile=True)
    ask(page, "Which?" + "W" * 300, "both")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("document.querySelector('#scroller').scrollWidth") <= 390
    expect(page.locator("#new-conversation")).to_be_hidden()
    page.click("#open-drawer")
    expect(page.locator("#new-conversation")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#new-conversation")).to_be_hidden()
    expect(page.locator("#open-drawer")).to_be_focused()


def check_accessible(page, where):
    found = axe.Axe().run(page).response["violations"]
    grave = [fault for fault in found if fault["impact"] in ("serious", "critical")]
    assert not grave, (where, [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in grave])


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
def test_nothing_grave_stands_in_anybody_s_way(open_page, stub, scheme, width):
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    check_accessible(page, "empty")
    stub.replies["alpaca"] = [
        "# Head\n\n[link](https://a.example) `code`\n\n```\n" + "long " * 90 + "\n```\n\n|a|b|\n|-|-|\n|1|2|"
    ]
    ask(page, "Both", "both")
    page.locator("article .text h4").wait_for()
    page.click(".vote [data-choice=left]")
    stub.refusals.append((400, {"error": {"message": "No.", "code": "context_length_exceeded"}}, {}))
    ask(page, "Refused", "blend")
    page.locator("#scroller").evaluate("box => box.scrollTop = 0")
    check_accessible(page, "asked")
    page.click("#settings summary")
    check_accessible(page, "settings")
    page.keyboard.press("Escape")
    if width == 390:
        page.click("#open-drawer")
        check_accessible(page, "drawer")
    page.get_by_role("button", name="Delete Both").click(force=True)
    check_accessible(page, "a dialog")
    page.keyboard.press("Escape")
    for view in ("votes", "sheet"):
        page.evaluate(f"location.hash = '#{view}'")
        page.locator(f"#{view}-place > *").first.wait_for()
        check_accessible(page, view)


def test_the_two_colours_are_told_apart_and_from_the_paper(open_page):
    """Contrast of at least 4.5 to 1 in both schemes: WCAG 2, success criterion 1.4.3."""
    for scheme in ("light", "dark"):
        page = open_page(color_scheme=scheme)
        read = "name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()"
        paper, *colours = (
            page.evaluate(read, name)
            for name in ("--paper", "--llama", "--alpaca", "--ink", "--faint", "--warn")
        )
        assert min(contrast(paper, colour) for colour in colours) >= 4.5
        assert colours[0] != colours[1]


def contrast(one, other):
    """Return the contrast of two colours like "#faf7f1". Source: WCAG 2.2, relative luminance."""

    def luminance(colour):
        shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
