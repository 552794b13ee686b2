"""GET /docs: a page that works with this server alone."""

import re

import pytest

from tests.api.served import Client


async def test_the_front_leads_to_the_page(client: Client) -> None:
    answer = await client.ask("/")
    assert (answer.status, answer.headers["location"]) == (307, "/docs")


async def test_the_page_and_all_it_loads_are_served_here(client: Client) -> None:
    page = await client.ask("/docs")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
    files = [target for target in loaded if target.startswith("/")]
    assert {"/static/docs.css", "/static/docs.js", "/openapi.json"} <= set(files)
    for target in files:
        assert (await client.ask(target)).status == 200


@pytest.mark.parametrize("target", ["/docs", "/static/docs.css", "/static/docs.js"])
async def test_no_file_of_the_page_speaks_of_another_host(client: Client, target: str) -> None:
    body = (await client.ask(target)).body.decode()
    assert not re.search(r"(https?:|wss?:)?//[\w.-]+\.\w", re.sub(r"^\s*//.*$", "", body, flags=re.MULTILINE))
    assert "@import" not in body


async def test_the_browser_is_told_to_load_nothing_from_elsewhere(client: Client) -> None:
    policy = (await client.ask("/docs")).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy


async def test_what_an_answer_says_is_never_taken_for_markup(client: Client) -> None:
    script = (await client.ask("/static/docs.js")).body.decode()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script)


async def test_the_page_obeys_its_own_policy(client: Client) -> None:
    page = (await client.ask("/docs")).body.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)


async def test_every_label_of_the_page_has_its_control(client: Client) -> None:
    page = (await client.ask("/docs")).body.decode()
    script = (await client.ask("/static/docs.js")).body.decode()
    assert '<html lang="en">' in page
    for labelled in re.findall(r'aria-labelledby="([^"]+)"', page):
        assert f'id="{labelled}"' in page
    for identifier in re.findall(r'getElementById\("([^"]+)"\)', script):
        assert f'id="{identifier}"' in page


async def test_a_typed_key_is_sent_as_a_header_and_kept_nowhere(client: Client) -> None:
    page = (await client.ask("/docs")).body.decode()
    script = (await client.ask("/static/docs.js")).body.decode()
    assert re.search(r'<label for="key">.*<input id="key" type="password" autocomplete="off"', page, re.DOTALL)
    assert 'headers["X-API-Key"] = typedKey()' in script
    assert not re.search(r"localStorage|sessionStorage|document\.cookie|indexedDB", script)
