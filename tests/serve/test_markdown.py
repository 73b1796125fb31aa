"""Markdown becomes HTML that can neither run, nor call home, nor look like the page around it."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camelid.errors import RequestError
from camelid.serve.markdown import MAX_CHARS, render

TAGS = {"p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"}
TAGS |= {"table", "thead", "tbody", "tr", "th", "td", "h4", "h5", "h6"}
ATTRIBUTES = {"href", "title", "target", "rel", "start", "align"}
HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    '<a href="javascript:alert(1)">x</a>',
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#x09;script:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox)",
    "[x](//elsewhere.example/)",
    "[x](/votes/export)",
    "![x](https://elsewhere.example/pixel.png)",
    '![x"onerror="alert(1)](x)',
    '[x](https://a.example "\\" onmouseover=alert(1) \\"")',
    '<https://a.example/" onclick=alert(1)>',
    "[r]\n\n[r]: javascript:alert(1)",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    "`</code><script>alert(1)</script>`",
    "|<script>|b|\n|:-:|-|\n|<style>*{display:none}</style>|[x](javascript:1)|",
    "<!-- --><b onclick=alert(1)>x</b>",
    "<form action=/votes><button>ok</button></form>",
    "<style>@import '//elsewhere.example'</style>",
    "# <h1 id=main>x</h1>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\x00<script>\x00alert(1)",
]


class Seen(HTMLParser):
    """The tags and attributes in a piece of HTML."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.addresses = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses |= {value for name, value in attrs if name == "href"}


def check_harmless(text):
    seen = Seen(text)
    assert seen.tags <= TAGS
    assert seen.attributes <= ATTRIBUTES
    assert all(address.startswith(("http://", "https://", "mailto:")) for address in seen.addresses)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_becomes_harmless(text):
    check_harmless(render(text))
    check_harmless(render(f"> - **{text}**\n\n{text}"))


@given(st.lists(st.sampled_from([*HOSTILE, "\n", "> ", "- ", "*", "`", "|", "](", "![", "é"]), max_size=12))
def test_so_does_any_mixture(parts):
    check_harmless(render("".join(parts)))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_text_can_be_shown(text):
    check_harmless(render(text))


def test_raw_html_is_shown_as_it_was_written():
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in render("<script>alert(1)</script>")


def test_what_models_write_is_rendered():
    text = "# Head\n\na *b* **c** ~~d~~ `e`\nnext\n\n1. one\n2. two\n\n> said\n\n```py\nx < 1\n```"
    shown = render(f"{text}\n\n|a|b|\n|-|-:|\n|1|2|")
    parts = ("<h4>Head</h4>", "<em>b</em>", "<strong>c</strong>", "<s>d</s>", "<code>e</code><br>\nnext")
    more = ("<li>one</li>", "<blockquote>", "<pre><code>x &lt; 1\n</code></pre>", '<td align="right">2</td>')
    assert all(part in shown for part in (*parts, *more))


def test_the_page_s_own_headings_stay_the_highest():
    assert "<h6>" in render("###### deep") and "<h6>" in render("#### less") and "<h4>" in render("# top")


def test_links_lead_out_and_tell_nothing():
    link = render("[x](https://a.example/?q=1&r=2)")
    assert 'href="https://a.example/?q=1&amp;r=2"' in link
    assert 'rel="noopener noreferrer nofollow"' in link and 'target="_blank"' in link


def test_a_picture_is_its_description():
    assert render("![a <llama>](https://a.example/l.png)") == "<p>a &lt;llama&gt;</p>\n"


def test_a_text_without_end_is_refused():
    with pytest.raises(RequestError, match="at most 100,000 characters; found 100,001"):
        render("x" * (MAX_CHARS + 1))
