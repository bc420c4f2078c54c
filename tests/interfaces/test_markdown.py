from __future__ import annotations

import pytest

from lineal.interfaces.markdown import LONGEST, rendered


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](java\tscript:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](vbscript:x)",
        "![x](javascript:alert(1))",
        "[a]: javascript:alert(1)\n\n[a]",
        "<javascript:alert(1)>",
        '[x](https://a "onmouseover=alert(1) \\" onload=\\"x")',
        '![" onerror="alert(1)](https://a.b/c)',
        "```<img src=x>\n<b>\n```",
    ],
)
def test_nothing_that_is_written_runs_or_loads(text: str) -> None:
    html = rendered(text)
    tags = [part.partition(">")[0] for part in html.split("<")[1:]]
    assert {tag.strip("/").split()[0] for tag in tags} <= {"p", "a", "pre", "code"}
    assert not any(f'href="{scheme}' in tag.lower() for tag in tags for scheme in ("javascript", "data", "vbscript"))
    assert not any(word.startswith("on") for tag in tags if "=" in tag for word in tag.partition('title="')[0].split()[1:])


def test_marks_lists_tables_and_code_are_rendered() -> None:
    html = rendered("# A\n\n* *b*\n* ~~c~~\n\n| x | y |\n|---|--:|\n| 1 | 2 |\n")
    for tag in ("<h1>", "<li>", "<em>", "<s>", "<table>", '<td class="right">2</td>'):
        assert tag in html
    assert "style=" not in html


def test_links_tell_nothing_and_images_are_links() -> None:
    assert rendered("[a](/runs)") == '<p><a href="/runs" rel="noopener noreferrer nofollow">a</a></p>\n'
    assert "<img" not in rendered("![chart](https://elsewhere.example/track.png)")


def test_only_the_beginning_of_a_very_long_text_is_rendered() -> None:
    assert len(rendered("a" * (LONGEST + 5000))) < LONGEST + 100
