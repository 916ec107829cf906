"""Redaction at its edges: the shortest key, each parameter of an address, every type that vcrpy hands over."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from vcr.request import Request as VcrRequest

from invoice_bridge.adapter.redactions import Where
from invoice_bridge.cassettes.redaction import SHORTEST_KEY, VERSION, Redactor
from invoice_bridge.cassettes.redaction_rules import EVERYWHERE, rules_of

_REQUEST: Any = VcrRequest  # vcrpy has no types of its own
URL = "https://api.example.test/v1/x"


def exchange(
    *, uri: str = URL, headers: dict[str, Any] | None = None, body: Any = "", answer: Any = b"", kind: str = ""
) -> dict[str, Any]:
    """One interaction of a cassette."""
    content_type = {"content-type": [kind]} if kind else {}
    return {
        "request": {"method": "POST", "uri": uri, "headers": {**(headers or {}), **content_type}, "body": body},
        "response": {"status": {"code": 200}, "headers": content_type, "body": {"string": answer}},
    }


PARAMETERS = sorted(row.name for row in EVERYWHERE if row.where in {Where.QUERY, Where.FIELD})
HEADERS = sorted(row.name for row in EVERYWHERE if row.where is Where.HEADER)


def test_the_names_of_credentials_are_these() -> None:
    """The lists hold for every provider; a name that goes missing here would be left in recordings."""
    assert set(PARAMETERS) == {
        *("access_token", "api_key", "apikey", "auth", "client_secret", "code", "id_token", "key", "password"),
        *("refresh_token", "secret", "sig", "signature", "token", "x-amz-signature", "x-goog-signature"),
    }
    assert set(HEADERS) == {
        *("api-key", "authorization", "cookie", "proxy-authorization", "set-cookie", "set-cookie2"),
        *("x-amz-security-token", "x-api-key", "x-auth-token", "x-csrf-token", "x-forwarded-authorization"),
    }
    assert VERSION == 2
    assert all(row.source for row in EVERYWHERE)


@pytest.mark.parametrize("name", PARAMETERS)
def test_each_parameter_of_an_address_is_taken_out(name: str) -> None:
    """In any case of letters, and the note says which."""
    redactor = Redactor("stripe")
    made = redactor.interaction(exchange(uri=f"{URL}?a=1&{name.upper()}=canary&b=2")).interaction
    assert made["request"]["uri"] == f"{URL}?a=1&{name.upper()}=REDACTED&b=2"
    assert redactor.notes == (f"request query {name}",)


@pytest.mark.parametrize("name", HEADERS)
def test_each_header_of_a_credential_is_left_out(name: str) -> None:
    """On both sides, and the note says on which."""
    given = exchange(headers={name: ["canary"]})
    given["response"]["headers"] = {name: "canary", "x-a": "b"}
    redactor = Redactor("stripe")
    made = redactor.interaction(given).interaction
    assert (made["request"]["headers"], made["response"]["headers"]) == ({}, {"x-a": "b"})
    assert redactor.notes == (f"answer header {name}", f"request header {name}")


@pytest.mark.parametrize("length, gone", [(SHORTEST_KEY - 1, False), (SHORTEST_KEY, True)])
def test_from_twelve_characters_on_a_key_is_found_elsewhere(length: int, gone: bool) -> None:
    """A credential of twelve characters is taken out of texts too, one of eleven only out of its own place."""
    assert SHORTEST_KEY == 12
    key = "canaryCANARYcanary"[:length]
    made = Redactor("whop").interaction(exchange(headers={"authorization": [f"Bearer {key}"]}, answer=f"a {key} b"))
    assert made.interaction["response"]["body"]["string"] == ("a REDACTED b" if gone else f"a {key} b")


def test_an_address_is_no_mail_address_only_up_to_its_host() -> None:
    """What stands right behind a host is looked at; user@host inside an address is not taken for mail."""
    redactor = Redactor("stripe")
    text = 'see "x://user@host.example" or jane@canary.example, x://host.example/jane@canary.example'
    made = redactor.interaction(exchange(answer=text)).interaction["response"]["body"]["string"]
    assert "jane@" not in made
    assert made.count("@example.invalid") == 2
    assert "://REDACTED@host.example" in made
    assert "answer e-mail address in a text" in redactor.notes
    made = Redactor("stripe").interaction(exchange(answer="x:// jane@canary.example")).interaction
    assert made["response"]["body"]["string"].startswith("x:// person-")
    made = Redactor("stripe").interaction(exchange(answer="x://'jane@canary.example")).interaction
    assert made["response"]["body"]["string"].startswith("x://'person-")


def test_the_notes_of_ids_tell_their_kind() -> None:
    """The beginning of the id, never the id."""
    redactor = Redactor("stripe", ids=True)
    redactor.interaction(exchange(answer="see in_1QkqKVQhcl5B85YlT32LIsNm"))
    assert redactor.notes == ("answer id in_",)


def test_answers_of_the_older_form_are_redacted_too() -> None:
    """Vcrpy before 6.0 kept an answer's text as `content`, beside its address: both are looked into."""
    answer = {"headers": {"content-type": "application/json"}, "content": '{"email":"jane@canary.example"}'}
    made = Redactor("stripe").response({**answer, "url": f"{URL}?token=canary", "status_code": 200})
    assert set(made) == {"headers", "content", "url", "status_code"}
    assert made["content"].startswith('{"email":"person-')
    assert made["url"] == f"{URL}?token=REDACTED"
    assert made["headers"] == answer["headers"]


@pytest.mark.parametrize("form", [bytes, io.BytesIO, lambda content: iter([content[:9], content[9:]])])
def test_a_request_is_redacted_whatever_form_its_body_has(form: Callable[[bytes], Any]) -> None:
    """Bytes, a file and an iterator: vcrpy records the content of each. No body stays none."""
    kind = {"content-type": "application/json"}
    made = Redactor("stripe").request(_REQUEST("POST", URL, form(b'{"line1":"Canary Street"}'), kind))
    assert made.body_bytes == b'{"line1":"REDACTED"}'
    assert Redactor("stripe").request(_REQUEST("GET", f"{URL}?token=canary", None, kind)).body is None


@pytest.mark.parametrize("values", [["jane@canary.example"], ("jane@canary.example",), "jane@canary.example"])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_headers_keep_their_type(values: Any, as_bytes: bool) -> None:
    """Lists, tuples, texts and bytes come out as what they were."""
    given = values if isinstance(values, str) else type(values)(values)
    if as_bytes:
        given = given.encode() if isinstance(given, str) else type(given)(one.encode() for one in given)
    answer: dict[str, Any] = {
        "headers": {"x-user": given, "x-é": b"caf\xe9 ok" if as_bytes else "ok"},
        "body": {"string": b""},
    }
    made = Redactor("stripe").response(answer)["headers"]
    first = made["x-user"] if isinstance(made["x-user"], str | bytes) else made["x-user"][0]
    assert isinstance(first, bytes) == as_bytes
    assert (b"person-" if as_bytes else "person-") in first
    assert isinstance(made["x-user"], str | bytes) == isinstance(values, str)
    assert made["x-é"] == answer["headers"]["x-é"]


def test_lone_surrogates_and_other_bytes_stay() -> None:
    """A body that is no UTF-8, or has half a character, comes out as it was but for the secret."""
    given = exchange(body='{"email":"jane@canary.example","a":"\ud800"}', kind="application/json")
    body = Redactor("stripe").interaction(given).interaction["request"]["body"]
    assert body.startswith(b'{"email":"person-')
    assert body.endswith(',"a":"\ud800"}'.encode("utf-8", "surrogatepass"))
    content = b'{"email":"jane@canary.example","a":"caf\xe9"}'
    answer = {"headers": {"content-type": ["application/json; charset=latin-1"]}, "body": {"string": content}}
    made = Redactor("stripe").response(answer)["body"]["string"]
    assert made.endswith(b'"a":"caf\xe9"}')
    assert made.startswith(b'{"email":"person-')


def test_the_length_is_that_of_the_redacted_body_in_its_own_type() -> None:
    """Content-Length follows the body, as text, number or bytes."""
    body = json.dumps({"email": "jane@canary.example"})
    for given in (str(len(body)), len(body), str(len(body)).encode()):
        made = Redactor("stripe").interaction(
            exchange(headers={"content-length": [given]}, body=body, kind="application/json")
        )
        request = made.interaction["request"]
        (length,) = request["headers"]["content-length"]
        assert type(length) is type(given)
        assert int(length) == len(request["body"])
        assert len(request["body"]) != len(body)


def test_the_notes_of_one_interaction_are_its_own() -> None:
    """`interaction` reports what it changed; the redactor as a whole remembers everything."""
    redactor = Redactor("stripe")
    first = redactor.interaction(exchange(uri=f"{URL}?token=canary"))
    second = redactor.interaction(exchange(answer=b"{", kind="application/json"))
    assert (first.notes, first.unparsed) == (("request query token",), ())
    assert (second.notes, second.unparsed) == ((), ("answer body: its content type is JSON, but it is not JSON",))
    assert redactor.notes == first.notes
    assert redactor.unparsed == second.unparsed


@pytest.mark.parametrize("pad", [0, 1, 2])
def test_a_key_in_base64_is_found_at_any_padding(pad: int) -> None:
    """With one, two or no signs of padding, in either alphabet, the word that spells a key is taken out whole."""
    key = "canary-of-no-shape" + "x" * pad
    spelled = base64.urlsafe_b64encode(f"{key}:".encode()).decode()
    headers = {"authorization": ["Basic " + base64.b64encode(f"{key}:".encode()).decode()]}
    made = Redactor("chargebee").interaction(exchange(headers=headers, answer=f"it was {spelled} indeed")).interaction
    assert made["response"]["body"]["string"] == "it was REDACTED indeed"


def test_a_key_in_base64_of_either_alphabet_is_found() -> None:
    """The signs in which the two alphabets differ, - and _ for + and /, are read alike."""
    key = "canary>>>???no-shape"
    headers = {"authorization": [f"Bearer {key}"]}
    for spelled in (base64.urlsafe_b64encode(f"{key}:".encode()).decode(), base64.b64encode(key.encode()).decode()):
        assert len(set("-_+/") & set(spelled)) == 2
        made = Redactor("chargebee").interaction(exchange(headers=headers, answer=f"it was {spelled} indeed"))
        assert made.interaction["response"]["body"]["string"] == "it was REDACTED indeed"


def test_every_credential_of_a_request_is_found_in_the_answer() -> None:
    """That of each header, of either part of Basic, and of an address; a password may have a colon in it."""
    basic = base64.b64encode(b"canary-the-user:canary-first:canary-second").decode()
    given = exchange(
        uri="https://canary-at-host:canary-third:canary-fourth@api.example.test/v1/x",
        headers={"x-api-key": ["canary-of-a-header"], "authorization": [f"Basic {basic}"]},
        answer=f"canary-of-a-header, {basic}, canary-the-user, canary-first:canary-second, canary-at-host, "
        "canary-third:canary-fourth; and canary-first canary-second canary-third canary-fourth",
    )
    assert Redactor("whop").interaction(given).interaction["response"]["body"]["string"] == (
        "REDACTED, REDACTED, REDACTED, REDACTED, REDACTED, "
        "REDACTED; and canary-first canary-second canary-third canary-fourth"
    )


def test_a_credential_is_found_wherever_its_header_is_and_in_later_answers() -> None:
    """It may be any header, beside others and in any order, and an answer may repeat that of an earlier request."""
    redactor = Redactor("whop")
    redactor.interaction(exchange(headers={"accept": ["*/*"], "x-api-key": ["canary-of-login"], "x-b": ["2"]}))
    later = redactor.interaction(exchange(headers={"x-api-key": ["canary-of-today"]}, answer="canary-of-login, today"))
    assert later.interaction["response"]["body"]["string"] == "REDACTED, today"


def test_a_cookie_is_no_credential_to_look_for_elsewhere() -> None:
    """Its text is words such as a language: it is left out where it is sent, and the same words elsewhere stay."""
    made = Redactor("stripe").interaction(
        exchange(headers={"cookie": ["a=1; lang=en-GB-oxendict"]}, answer="it was lang=en-GB-oxendict here")
    )
    assert "cookie" not in made.interaction["request"]["headers"]
    assert made.interaction["response"]["body"]["string"] == "it was lang=en-GB-oxendict here"


@pytest.mark.parametrize("text", ['[{"line1": "Canary Street"}]', ' {"line1": "Canary Street"}'])
def test_json_within_a_text_is_read(text: str) -> None:
    """A list as well as an object, whatever blanks are before it."""
    made = Redactor("stripe").interaction(exchange(answer=json.dumps({"text": text}), kind="application/json"))
    assert json.loads(made.interaction["response"]["body"]["string"])["text"] == text.replace(
        "Canary Street", "REDACTED"
    )


def test_a_form_without_a_content_type_is_read_as_a_form() -> None:
    """Where no header says what a body is, its own shape does; a header that says text is believed."""
    bare = Redactor("stripe").interaction(exchange(body="line1=Canary+Street&a=1")).interaction
    assert bare["request"]["body"] == "line1=REDACTED&a=1"
    text = Redactor("stripe").interaction(exchange(body="line1=Canary+Street&a=1", kind="text/plain")).interaction
    assert text["request"]["body"] == "line1=Canary+Street&a=1"


def test_names_are_no_beginnings_of_ids() -> None:
    """Where ids are pseudonyms, a word that begins like the name of a field is none."""
    answer = "see code12345678, token12345678 and email12345678"
    made = Redactor("stripe", ids=True).interaction(exchange(answer=answer))
    assert (made.interaction["response"]["body"]["string"], made.notes) == (answer, ())


def test_notes_name_the_place_and_its_kind() -> None:
    """A header, a part of a path, what is before a host, and a credential in a text, each by its own words."""
    redactor = Redactor("chargebee", ids=True)
    redactor.interaction(
        exchange(
            uri="https://me:canary@acme.chargebee.com/api/v2/customers/canary-9",
            headers={"chargebee-request-origin-user": ["jane@canary.example"]},
            answer="sent Bearer abcdefgh7xyz there",
        )
    )
    assert redactor.notes == (
        "answer credential in a text",
        "request address credentials before the host",
        "request header chargebee-request-origin-user",
        r"request path /(?:customers|subscriptions)/([^/]+)",
    )


def test_rules_are_made_once_and_do_not_change() -> None:
    """They are shared by every redactor of a provider."""
    rules = rules_of("stripe", ids=False)
    assert rules is rules_of("stripe", ids=False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        rules.headers = {}  # type: ignore[misc]
    made = Redactor("stripe").interaction(exchange())
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.notes = ()  # type: ignore[misc]
    assert not hasattr(made, "__dict__")


@pytest.mark.parametrize(
    "text, left",
    [
        ("sent Bearer abcdefgh7xyz there", "sent Bearer REDACTED there"),
        ("sent bearer abc_efghixyz there", "sent bearer REDACTED there"),
        ("a bearer instrument of value", "a bearer instrument of value"),
        ("Basic bm90YTprZXk= there", "Basic REDACTED there"),
        ("Basic knowledge of it", "Basic knowledge of it"),
        ("Basic chapter12 of it", "Basic chapter12 of it"),
        ("Basic a2V5OmFiYXXX there", "Basic REDACTED there"),
        ("Basic bm90....YTprZXk= there", "Basic bm90....YTprZXk= there"),
    ],
)
def test_a_scheme_and_a_credential_in_a_text(text: str, left: str) -> None:
    """What follows "Bearer" is a credential where it has a digit or an underscore, after "Basic" where it decodes."""
    assert Redactor("stripe").interaction(exchange(answer=text)).interaction["response"]["body"]["string"] == left
