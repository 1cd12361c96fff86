"""The page that shows every route."""

import re

import httpx


async def test_the_page_and_all_that_it_loads_come_from_here(client: httpx.AsyncClient) -> None:
    """It works on a machine without the internet."""
    page = (await client.get("/docs")).text
    links = re.findall(r'(?:href|src|url)["\']?[=:] ?["\']([^"\']+)["\']', page)
    assert len(links) >= 4
    for link in links:
        answer = await client.get(f"http://test/{link}")
        assert answer.status_code == 200, link
        assert answer.content
