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
from issun.pages.one_file import json_text, linked, page, write_page

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
<script type="module" src="start.js"></script>
</body>
</html>
"""
NASTY = "</script><script>alert(1)</script><!--\u2028\u2029&amp;\udc80"


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text(FRAME)
    (tmp_path / "style.css").write_text("p { color: red }")
    (tmp_path / "part.js").write_text('"use strict";\n')
    (tmp_path / "start.js").write_text('import { two } from "./parts/two.js";\n\ntwo();\n')
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "two.js").write_text('import {\n  ONE,\n} from "../one.js";\n\nexport function two() {\n  return 2 * ONE;\n}\n')
    (tmp_path / "one.js").write_text("// One.\nexport const ONE = 1;\n")
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
    assert re.findall(r"<script[^>]*>", text) == ['<script type="application/json" id="content">', *["<script>"] * 5]
    embedded = re.search(r'id="content">(.*?)</script>', text)
    assert embedded is not None
    assert json.loads(embedded[1]) == content
    assert "<title>&lt;/script&gt;&lt;script&gt;alert(1)" in text
    assert "http" not in text.replace("http-equiv", "")
    assert page(content, assets) == text


def test_a_browser_may_run_these_scripts_and_ask_nobody(assets: Path) -> None:
    text = page({"title": ""}, assets)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts)
    policy = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
    assert f"content=\"{policy}form-action 'none'\"" in text
    assert "connect-src 'self'" in page({"title": "", "live": True}, assets)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("part.js", None, r"part\.js cannot be read \(No such file or directory\)"),
        ("part.js", "'</SCRIPT>'", "holds `</script`, which would end it early"),
        ("parts/two.js", None, r"two\.js cannot be read \(No such file or directory\)"),
        ("one.js", "'</script>'", "holds `</script`, which would end it early"),
        ("one.js", "export const TWO = 2;", r"module parts/two\.js imports `ONE`, which one\.js does not export"),
        ("one.js", 'import { two } from "./parts/two.js";', r"imports itself \(start\.js > parts/two\.js > one\.js > parts/two\.js\)"),
        ("one.js", "export default 1;", "holds `export default 1;`, which is not supported"),
        ("start.js", 'import * as all from "./one.js";', "which is not supported"),
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


def test_a_module_becomes_a_script_after_those_that_it_imports(assets: Path) -> None:
    scripts = linked(assets, "start.js")
    assert list(scripts) == ["one.js", "parts/two.js", "start.js"]
    assert scripts["one.js"] == (
        'issun["one.js"] = (() => { "use strict"; // One.\nconst ONE = 1;\nreturn { ONE };\n})();\n//# sourceURL=one.js\n'
    )
    for name, script in scripts.items():
        lines = (assets / name).read_text().splitlines()
        assert len(script.splitlines()) == len(lines) + 3, "a line of the module is the same line of the script"
    assert 'const {\n  ONE,\n} = issun["one.js"];\n' in scripts["parts/two.js"]


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
