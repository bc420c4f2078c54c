"""Markdown that people wrote, as HTML that does nothing: no HTML of theirs, no images from elsewhere, links that lead nowhere by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

LONGEST = 200_000
_SCHEMES = frozenset({"", "http", "https", "mailto"})


def rendered(text: str) -> str:
    r"""The text as HTML; of a very long one only the beginning.

    >>> rendered("*so* [it](https://a.b) is <b>")
    '<p><em>so</em> <a href="https://a.b" rel="noopener noreferrer nofollow">it</a> is &lt;b&gt;</p>\n'
    >>> rendered("[x](javascript:alert(1)) ![y](https://a.b/c.png)")
    '<p>[x](javascript:alert(1)) <a href="https://a.b/c.png" rel="noopener noreferrer nofollow">y</a></p>\n'
    """
    html: str = _parser().render(text[:LONGEST]) if text else ""
    return html


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    setattr(made, "validateLink", _is_safe)  # noqa: B010 - it is a hook, though declared as a method
    made.add_render_rule("link_open", _link)
    made.add_render_rule("image", _image)
    made.add_render_rule("th_open", _cell)
    made.add_render_rule("td_open", _cell)
    return made


def _is_safe(address: str) -> bool:
    try:
        return urlsplit(address.strip()).scheme.lower() in _SCHEMES and not any(ord(letter) < 32 for letter in address)
    except ValueError:
        return False


def _link(self: Any, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    del env
    tokens[place].attrSet("rel", "noopener noreferrer nofollow")
    return str(self.renderToken(tokens, place, options, {}))


def _image(self: Any, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    """A link to it: showing it would ask another machine, and tell it who reads."""
    from markdown_it.common.utils import escapeHtml

    token = tokens[place]
    name = self.renderInlineAsText(token.children or [], options, env) or "image"
    return f'<a href="{escapeHtml(str(token.attrGet("src") or ""))}" rel="noopener noreferrer nofollow">{escapeHtml(name)}</a>'


def _cell(self: Any, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    """Without the style that says how it is aligned: the pages' policy takes none."""
    del env
    style = str(tokens[place].attrs.pop("style", ""))
    if "right" in style:
        tokens[place].attrSet("class", "right")
    return str(self.renderToken(tokens, place, options, {}))
