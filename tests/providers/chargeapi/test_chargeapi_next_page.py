"""The address of ChargeAPI's next page is followed below the base URL alone, and only null ends a listing."""

from typing import Any

import httpx
import pytest

from invoice_bridge import Client, MalformedResponse

BASE = "https://api.chargeapi.test/v1"


def listed(next_page: object, base: str = BASE) -> list[str]:
    """List with a first page that names `next_page`; the paths that were asked for."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        body: dict[str, Any] = {"data": [], "next_page_url": next_page if len(asked) == 1 else None}
        return httpx.Response(200, json=body)

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = Client("chargeapi", api_key="sk_test_not_a_key", base_url=base, http=http)
        try:
            assert list(client.list()) == []
        except MalformedResponse as error:
            assert len(asked) == 1, "it was followed"
            raise error from None
    return asked


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../other",
        "/v1/..",
        "/v1/./invoices",
        "/v1/%2e%2e/other",
        "/v1/%2E./other",
        "/v1/..%2fother",
        "/v1/%252e%252e/other",
        "/v1/..%5cother",
        "/v1/..\\other",
        "/v1/..;/other",
        "/v1evil/invoices",
        "/v1%2f..%2fother",
        "/other",
        "/",
        "",
    ],
)
def test_defect_77_the_next_page_is_below_the_base_path(path: str) -> None:
    """Defect 77: a next page outside the base path, in any reading of its dots, is refused and never asked for."""
    with pytest.raises(MalformedResponse, match="next page"):
        listed(f"https://api.chargeapi.test{path}")


@pytest.mark.parametrize("value", [5, 0, True, False, {}, {"url": "x"}, [], ""])
def test_only_null_ends_a_listing(value: object) -> None:
    """Defect 77: a next_page_url that is neither a text nor null is an error, not the end of the listing."""
    with pytest.raises(MalformedResponse):
        listed(value)


@pytest.mark.parametrize("base", [BASE, "https://api.chargeapi.test"])
def test_an_honest_next_page_is_followed(base: str) -> None:
    """The control of defect 77: pages below the base URL are read, dots in a name or a query included."""
    asked = listed(f"{base}/invoices?cursor=a..b%2F../c", base)
    assert len(asked) == 2
    assert listed(f"{base}/in..voices/.x", base)[1].endswith("/in..voices/.x")
    assert len(listed(None, base)) == 1
