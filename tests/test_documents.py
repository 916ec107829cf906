"""The link of a document, which any host may have given: what is no plain https address is refused, with a type."""

import httpx
import pytest

from invoice_bridge import Client, MalformedResponse
from invoice_bridge.testing import no_waiting

INVOICE = {"id": "in_1", "object": "invoice", "status": "open", "currency": "eur", "lines": {"data": []}}
PDF = b"%PDF-1.4"


def download(link: str, answer: httpx.Response | None = None) -> bytes:
    """Download a document of an emulated answer; a request to any other host than the API's is the document's."""

    def answered(request: httpx.Request) -> httpx.Response:
        if request.url.host == "api.stripe.com":
            return httpx.Response(200, json={**INVOICE, "invoice_pdf": link})
        assert "authorization" not in request.headers
        return answer or httpx.Response(200, content=PDF)

    http = httpx.Client(transport=httpx.MockTransport(answered))
    with no_waiting(), Client("stripe", api_key="sk_test_not_a_key", http=http) as client:
        return client.pdf("in_1")


@pytest.mark.parametrize(
    "link",
    [
        *(
            " https://files.example/1",
            "https://files.example/\n1",
            "https://fi\tles.example/1",
            "https:/\\files.example",
        ),
        *("https://xn--/1", "https://files.xn--a.example/1", "https://fi les.example/1", "https://fi%00les.example/1"),
        *("https://files.example\\@api.stripe.com/1", "https://füles.example/1", "https://" + "a" * 70_000),
    ],
)
def test_an_odd_link_is_refused(link: str) -> None:
    """Blanks, line breaks, backslashes, names that no DNS has: refused before anything is sent to it."""
    with pytest.raises(MalformedResponse, match="the document's link is not") as refused:
        download(link)
    assert refused.value.outcome == "nothing_done"


@pytest.mark.parametrize(
    "link", ["https://files.example/1?a=%20b&c=d#e", "https://files.example:8443/1", "HTTPS://FILES.example/1"]
)
def test_a_plain_link_is_followed(link: str) -> None:
    """A port, a query and capitals are nothing odd."""
    assert download(link) == PDF


@pytest.mark.parametrize("status", [202, 206])
def test_a_part_of_a_document_is_none(status: int) -> None:
    """Nobody asked for a range: what is not answered 200 is not the document."""
    with pytest.raises(MalformedResponse, match="gives no PDF"):
        download("https://files.example/1", httpx.Response(status, content=PDF))
