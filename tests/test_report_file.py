"""One file out of many parts: whatever data says stays data, the same content gives the same bytes, and it is written whole or not."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.errors import IssunError
from issun.webpage.one_file import json_text, page, write_page

FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>anything</title>
<link rel="stylesheet" href="style.css">
</head>
<body>
<script type="application/json" id="content"></script>
<script src="part.js"></script>
</body>
</html>
"""
NASTY = "</script><script>alert(1)</script><!--\u2028\u2029&amp;\udc80"


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text(FRAME)
    (tmp_path / "style.css").write_text("p { color: red }")
    (tmp_path / "part.js").write_text('"use strict";\n')
    return tmp_path


@given(st.dictionaries(st.text(), st.text(st.characters(exclude_categories=()))))
def test_json_in_a_page_reads_back_and_holds_no_markup(value: dict[str, str]) -> None:
    text = json_text(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert text.isascii()
    assert json.loads(text) == value


def test_parts_are_put_in_and_data_stays_data(assets: Path) -> None:
    content = {"title": NASTY, "class": NASTY, "other": '<link rel="stylesheet" href="style.css">'}
    text = page(content, assets)
    assert "<style>\np { color: red }\n</style>" in text
    assert re.findall(r"<script[^>]*>", text) == ['<script type="application/json" id="content">', "<script>"]
    embedded = re.search(r'id="content">(.*?)</script>', text)
    assert embedded is not None
    assert json.loads(embedded[1]) == content
    assert "<title>&lt;/script&gt;&lt;script&gt;alert(1)" in text
    assert "http" not in text.replace("http-equiv", "")
    assert page(content, assets) == text


def test_a_browser_may_run_these_scripts_and_ask_nobody(assets: Path) -> None:
    text = page({"title": ""}, assets)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
    assert f"content=\"{policy}form-action 'none'\"" in text
    assert "connect-src 'self'" in page({"title": "", "live": True}, assets)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("part.js", None, r"part\.js cannot be read \(No such file or directory\)"),
        ("part.js", "'</SCRIPT>'", "holds `</script`, which would end it early"),
        ("style.css", "</style>", "holds `</style`"),
        ("page.html", "<p>", 'must hold `<script type="application/json" id="content"></script>` once'),
    ],
)
def test_parts_that_do_not_fit_are_told(assets: Path, name: str, text: str | None, words: str) -> None:
    if text is None:
        (assets / name).unlink()
    else:
        (assets / name).write_text(text)
    with pytest.raises(IssunError, match=words):
        page({"title": ""}, assets)


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("before")
    assert write_page("ä", path) == 2
    assert path.read_text("utf-8") == "ä"
    with pytest.raises(IssunError, match="cannot be written"):
        write_page("x", tmp_path / "nowhere" / "a.html")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(IssunError, match="cannot be written"):
        write_page("x", tmp_path / "folder.html")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.html", "folder.html"]
