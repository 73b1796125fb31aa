"""A model's Markdown as HTML that cannot do anything: what the page shows of an answer.

Twice safe: raw HTML in the text is text (markdown-it's html option is off), and what the renderer gives is
sanitised against short lists of tags, attributes and address schemes (nh3). Pictures would tell strangers
that an answer was read, so their description stands in their place.
"""

import html
from collections.abc import MutableMapping, Sequence
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from camelid.errors import RequestError

MAX_CHARS = 100_000
_HEADING_SHIFT = 3  # the page's own headings end with the third rank
_TAGS = {"p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"}
_TAGS |= {"table", "thead", "tbody", "tr", "th", "td", "h4", "h5", "h6"}
_ATTRIBUTES = {"a": {"href", "title", "target"}, "ol": {"start"}}
_ALIGNED = {"align": {"left", "center", "right"}}
_SCHEMES = {"http", "https", "mailto"}


def render(text: str) -> str:
    """Return Markdown (CommonMark with tables and strikethrough, line breaks kept) as sanitised HTML.

    Raises RequestError when the text is longer than `MAX_CHARS`.
    """
    if len(text) > MAX_CHARS:
        raise RequestError(
            f"text has at most {MAX_CHARS:,} characters; found {len(text):,}. Show it as it is, or in parts."
        )
    return _CLEANER.clean(_MARKDOWN.render(text))


def _image(
    renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    """Return a picture's description."""
    return html.escape(renderer.renderInlineAsText(tokens[place].children or [], options, env))


def _heading(
    renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    """Return a heading's tag, some ranks lower."""
    rank = min(int(tokens[place].tag[1]) + _HEADING_SHIFT, 6)
    return f"<h{rank}>" if tokens[place].nesting == 1 else f"</h{rank}>\n"


def _cell(
    renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    """Return a table cell's tag; its alignment is no style, which the page's policy would not let pass."""
    token = tokens[place]
    align = str(token.attrs.get("style", "")).removeprefix("text-align:")
    return f'<{token.tag} align="{align}">' if align else f"<{token.tag}>"


def _make_markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    markdown.add_render_rule("image", _image)
    markdown.add_render_rule("heading_open", _heading)
    markdown.add_render_rule("heading_close", _heading)
    markdown.add_render_rule("th_open", _cell)
    markdown.add_render_rule("td_open", _cell)
    return markdown


_MARKDOWN = _make_markdown()
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    attributes=_ATTRIBUTES,
    url_schemes=_SCHEMES,
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
    tag_attribute_values={"th": _ALIGNED, "td": _ALIGNED},
)
