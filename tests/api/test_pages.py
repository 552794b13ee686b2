"""The pages for people, `/` with its views and /docs: who gets them, how they are sent, that they ask nobody else."""

import gzip
import hashlib
import re
import tomllib
from pathlib import Path
from urllib.parse import quote

import pytest

from api.app import OPERATIONS
from api.pages import PAGE_FOLDERS, PAGE_PATHS
from tests.api.access.test_gate import KEYED
from tests.api.served import Client, served

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "api" / "static"
FILES = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())
VENDORED = [name for name in FILES if name.startswith("vendor/") and name != "vendor/README.md"]
OURS = [name for name in FILES if not name.startswith("vendor/")]
SCRIPTS = [name for name in OURS if name.endswith(".js")]
VIEWS = (
    *PAGE_PATHS,
    "/symbol/AAPL",
    "/symbol/BRK.A",
    "/symbol/A%2FB",
    "/symbol/",
    "/audit/2016-06-01",
    "/rules/dry-run",
)
# Links for people, names of namespaces, and where a licence can be read: none of them is ever asked.
NAMED_HOSTS = {"www.tradingview.com", "www.w3.org", "www.apache.org"}
MAY_FETCH = {"docs.js", "page/ask.js", "page/notices.js"}


def _text(name: str) -> str:
    return (STATIC / name).read_text()


@pytest.mark.parametrize("target", VIEWS)
async def test_every_view_is_the_one_page(client: Client, target: str) -> None:
    answer = await client.ask(f"{target}?x=1")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.body == (STATIC / "page.html").read_bytes()


@pytest.mark.parametrize(
    "target", ["/symbol", "/audit-x", "/rulesx", "/page.html", "/home", "/symbols/AAPL", "/static/"]
)
async def test_what_is_no_view_is_the_apis_to_refuse(client: Client, target: str) -> None:
    answer = await client.ask(target)
    assert (answer.status, answer.refusal().code) == (404, "unknown_path")


def test_no_route_of_the_api_is_hidden_by_a_view() -> None:
    for operation in OPERATIONS:
        assert operation.path not in PAGE_PATHS
        assert not operation.path.startswith(PAGE_FOLDERS)


@pytest.mark.parametrize("name", FILES)
async def test_every_file_is_sent_whole_and_as_what_it_is(client: Client, name: str) -> None:
    kinds = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
    answer = await client.ask(f"/static/{quote(name)}", headers={"Accept-Encoding": "identity"})
    assert answer.status == 200
    assert answer.body == (STATIC / name).read_bytes()
    kind, _, charset = answer.headers["content-type"].partition("; ")
    assert kind == kinds.get(Path(name).suffix, "text/plain")
    assert charset == ("charset=utf-8" if kind.startswith("text/") else "")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "target",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/%2e%2e%2fapp.py",
        "/static/page/../../app.py",
        "/static//page.css",
        "/static/page",
        "/static/page/",
        "/static/%2fetc%2fpasswd",
        "/static/page.css%00",
        "/static/vendor/lit-html/..%5c..%5cpage.css",
    ],
)
async def test_no_path_leads_out_of_the_folder(client: Client, target: str) -> None:
    assert (await client.ask(target)).refusal().code == "unknown_path"


@pytest.mark.parametrize("target", ["/", "/docs", "/static/page/main.js", "/static/icon.svg"])
async def test_head_tells_what_get_would(client: Client, target: str) -> None:
    as_is = {"Accept-Encoding": "identity"}
    head, get = [await client.ask(target, method=method, headers=as_is) for method in ("HEAD", "GET")]
    assert (head.status, head.body) == (200, b"")
    for name in ("content-length", "content-type", "etag", "cache-control", "content-security-policy"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("*;q=0", False),
        ("xgzip", False),
        ("identity", False),
        ("", False),
    ],
)
async def test_a_page_is_packed_for_who_takes_it_so(client: Client, accepted: str, packed: bool) -> None:
    async with client.session.get(
        f"{client.origin}/", headers={"Accept-Encoding": accepted}, auto_decompress=False
    ) as answer:
        body = await answer.read()
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert ("Content-Encoding" in answer.headers) is packed
    assert (gzip.decompress(body) if packed else body) == (STATIC / "page.html").read_bytes()


async def test_who_holds_a_file_is_told_so(client: Client) -> None:
    tags = []
    for coding in ("gzip", "identity"):
        accept = {"Accept-Encoding": coding}
        tag = (await client.ask("/static/page.css", headers=accept)).headers["etag"]
        tags.append(tag)
        for held in (tag, f'W/{tag}, "x"', f'"x",{tag}'):
            answer = await client.ask("/static/page.css", headers={**accept, "If-None-Match": held})
            assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
        for held in ('"x"', tag.strip('"'), f'"x{tag[1:]}'):
            assert (await client.ask("/static/page.css", headers={**accept, "If-None-Match": held})).status == 200
    assert tags[0] != tags[1]
    assert (await client.ask("/")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("target", ["/", "/symbol/AAPL", "/docs", "/static/page/main.js"])
async def test_the_browser_is_told_to_load_nothing_from_elsewhere(client: Client, target: str) -> None:
    headers = (await client.ask(target)).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "lit-html",
    }
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"


async def test_where_keys_are_required_the_pages_and_their_files_are_for_anybody_and_nothing_else(
    market_url: str,
) -> None:
    async with served(market_url, access=KEYED) as keyed:
        for target in (*VIEWS, "/docs", "/static/page.css", "/static/page/main.js", "/static/vendor/README.md"):
            assert (await keyed.ask(target)).status == 200, target
        assert (await keyed.ask("/static/none.js")).status == 404
        for target in ("/symbol", "/auditx", "/api/v1/symbols", "/api/v1/payloads/1", "/udf/config", "/page.html"):
            assert (await keyed.ask(target)).status == 401, target


@pytest.mark.parametrize("name", [name for name in OURS if name.endswith((".html", ".js", ".css"))])
def test_whatever_a_file_loads_is_there(name: str) -> None:
    text, folder = _text(name), f"/static/{name}".rpartition("/")[0]
    loaded = re.findall(r'(?:<script|<link)[^>]*(?:src|href)="([^"]+)"()', text)
    loaded += re.findall(
        r'^(?:import|export)\b(?:[^;"=]*\bfrom)? "([^"\n]+)";$|\bimport\("([^"]+)"\)', text, re.MULTILINE
    )
    assert "@import" not in text
    assert "url(" not in text
    for target in map("".join, loaded):
        found = Path(target if target.startswith("/") else f"{folder}/{target}").as_posix()
        assert (ROOT / "api" / _plain(found).lstrip("/")).is_file(), target


def _plain(path: str) -> str:
    """Return a path without its `..`."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


@pytest.mark.parametrize("name", FILES)
def test_no_file_speaks_of_another_host_but_to_people(name: str) -> None:
    text = _text(name)
    hosts = set(re.findall(r"\b(?:https?|wss?|ftp):\\?/\\?/([\w.-]+)", text)) | set(
        re.findall(r"""["'(`]//(\w[\w.-]*)""", text)
    )
    assert hosts <= NAMED_HOSTS
    assert "sourceMappingURL" not in text
    if name in OURS:
        assert not re.search(r"\bEventSource\b|\bWebSocket\b|\bXMLHttpRequest\b|sendBeacon|importScripts", text)
        assert ("fetch(" in text) <= (name in MAY_FETCH)


@pytest.mark.parametrize("name", [name for name in OURS if name.endswith((".html", ".js"))])
def test_what_an_answer_says_is_never_taken_for_markup_and_the_policy_is_obeyed(name: str) -> None:
    text = _text(name)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|setHTML|document\.write|createContextualFragment|DOMParser|unsafe|eval\(|"
        r"new Function|javascript:",
        text,
    )
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=[\"']", text)


@pytest.mark.parametrize("folder", sorted({name.split("/")[1] for name in VENDORED}))
def test_a_library_is_byte_for_byte_what_its_readme_says_with_its_licence_beside_it(folder: str) -> None:
    said = dict(re.findall(r"^ {4}([0-9a-f]{64})  (\S+)$", _text("vendor/README.md"), re.MULTILINE))
    mine = [name.removeprefix("vendor/") for name in VENDORED if name.startswith(f"vendor/{folder}/")]
    assert f"{folder}/LICENSE" in mine
    assert f"| `{folder}/` |" in _text("vendor/README.md")
    held = {hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest(): name for name in mine}
    assert held == {digest: name for digest, name in said.items() if name.startswith(f"{folder}/")}


def test_every_file_is_in_the_package() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packed = {path for pattern in setuptools["package-data"]["api"] for path in (ROOT / "api").glob(pattern)}
    assert {STATIC / name for name in FILES} <= packed
    assert "api" in setuptools["packages"]
    assert "COPY api/ api/" in (ROOT / "ops" / "Dockerfile").read_text()


def test_every_label_of_the_pages_has_its_control() -> None:
    for page, scripts in (("docs.html", ["docs.js"]), ("page.html", ["page/main.js", "page/theme.js"])):
        text = _text(page)
        assert '<html lang="en">' in text
        for labelled in re.findall(r'(?:aria-labelledby|for)="([^"]+)"', text):
            assert f'id="{labelled}"' in text
        for script in scripts:
            for identifier in re.findall(r'getElementById\("([^"]+)"\)', _text(script)):
                assert f'id="{identifier}"' in text, identifier


def test_no_script_is_without_its_preload_that_every_view_needs() -> None:
    """Each file that is found only when another was read costs a round trip more."""
    needed, seen = ["main.js"], set()
    while needed:
        name = needed.pop()
        if name not in seen:
            seen.add(name)
            needed += re.findall(r'^(?:import|export) .*?"\./([\w.]+)";$', _text(f"page/{name}"), re.MULTILINE)
    page = _text("page.html")
    for name in seen:
        assert f'/static/page/{name}"' in page, name


def test_a_key_that_is_typed_among_the_routes_is_sent_as_a_header_and_kept_nowhere() -> None:
    page, script = _text("docs.html"), _text("docs.js")
    assert re.search(r'<label for="key">.*<input id="key" type="password" autocomplete="off"', page, re.DOTALL)
    assert 'headers["X-API-Key"] = typedKey()' in script
    assert not re.search(r"localStorage|sessionStorage|document\.cookie|indexedDB", script)


def test_a_key_of_the_page_is_kept_in_the_tab_only() -> None:
    for name in SCRIPTS:
        text = _text(name)
        assert not re.search(r"document\.cookie|indexedDB|window\.name|caches\.", text), name
        if "X-API-Key" in text and name != "docs.js":
            assert name == "page/ask.js"
            assert "browser" not in text.replace("the browser can", "")
