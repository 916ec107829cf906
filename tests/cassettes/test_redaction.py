"""Redaction: planted secrets in every position and encoding are gone, and everything else is what it was."""

import copy
import json
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from vcr.request import Request as VcrRequest

from invoice_bridge import providers
from invoice_bridge.adapter.redactions import Becomes
from invoice_bridge.cassettes.pseudonyms import pseudonym
from invoice_bridge.cassettes.redaction import Redactor
from invoice_bridge.core.errors import ConfigurationError
from tests.cassettes.corpus import EMAIL, KEY, PLANTS, Plant, person, shapes

_REQUEST: Any = VcrRequest  # vcrpy has no types of its own

every = pytest.mark.parametrize("plant", PLANTS, ids=[f"{plant.provider}: {plant.what}" for plant in PLANTS])


def _asked(method: str, uri: str, body: bytes, headers: dict[str, str]) -> Any:
    return _REQUEST(method, uri, body, headers)


def _content(side: dict[str, Any]) -> bytes:
    body = side["body"]["string"] if isinstance(side["body"], dict) else side["body"]
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body


def _redacted(plant: Plant) -> dict[str, Any]:
    return Redactor(plant.provider).interaction(plant.interaction(plant.secret)).interaction


def _without_authorization(interaction: dict[str, Any]) -> dict[str, Any]:
    interaction["request"]["headers"].pop("authorization", None)
    return interaction


def test_the_corpus_is_large_enough() -> None:
    """At least sixty secrets are planted, at every provider and on both sides, each in a place of its own."""
    assert len(PLANTS) >= 60
    assert len({plant.what for plant in PLANTS}) == len(PLANTS)
    assert {plant.provider for plant in PLANTS} == {"chargeapi", "chargebee", "stripe", "whop"}
    assert {plant.place[0] for plant in PLANTS} == {"uri", "request", "answer"}


@every
def test_the_secret_is_gone_and_the_rest_is_what_it_was(plant: Plant) -> None:
    """Compared with the same interaction written by hand with the pseudonym in the secret's place (defect 19)."""
    before = plant.interaction(plant.secret)
    after = _redacted(plant)
    assert plant.interaction(plant.secret) == before  # what was given is not changed
    expected = _without_authorization(plant.interaction(plant.leaves))
    assert before != expected
    if plant.place[-1] == "body":
        side = "response" if plant.place[0] == "answer" else "request"
        assert plant.unpack(_content(after[side])) == plant.unpack(_content(expected[side]))
        assert after[side]["headers"]["content-length"] == [str(len(_content(after[side])))]
        for message in (after, expected):
            message[side].pop("body")
            message[side]["headers"].pop("content-length")
    assert after == expected


def _everything(interaction: dict[str, Any], plant: Plant) -> bytes:
    sides = (interaction["request"], interaction["response"])
    opened = [_content(side) for side in sides]
    with suppress(OSError, ValueError, zlib.error):  # the body of another side may not be packed at all
        opened.append(plant.unpack(opened[plant.place[0] == "answer"]))
    headers = json.dumps([side["headers"] for side in sides], ensure_ascii=False).encode("utf-8", "surrogatepass")
    return b"\n".join([interaction["request"]["uri"].encode(), headers, *opened])


@pytest.mark.parametrize("plant", [plant for plant in PLANTS if len(plant.secret) >= 8])  # 987 may be part of a sum
def test_no_shape_of_the_secret_is_left(plant: Plant) -> None:
    """Neither as it is, nor percent-encoded, escaped, in UTF-16, or in base64 at any alignment."""
    left = _everything(_redacted(plant), plant)
    outside = plant.template.replace("§", "").encode("utf-8", "surrogateescape")
    assert [shape for shape in shapes(plant.secret) if shape in left and shape not in outside] == []


@every
def test_what_is_redacted_twice_is_what_is_redacted_once(plant: Plant) -> None:
    """A second run changes no byte, and reports nothing."""
    once = _redacted(plant)
    again = Redactor(plant.provider).interaction(copy.deepcopy(once))
    assert (again.interaction, again.notes, again.unparsed) == (once, (), ())


@every
def test_each_redaction_is_told(plant: Plant) -> None:
    """The notes name the place, and show nothing of what stood there."""
    redactor = Redactor(plant.provider)
    redactor.interaction(plant.interaction(plant.secret))
    assert redactor.notes
    assert plant.secret not in str(redactor.notes)


@every
def test_the_hooks_of_vcrpy_do_the_same(plant: Plant) -> None:
    """A request and an answer redacted as vcrpy hands them over come out as the file's interaction does."""
    redactor = Redactor(plant.provider)
    given = plant.interaction(plant.secret)
    request = redactor.request(_REQUEST._from_dict(copy.deepcopy(given["request"])))
    answer = redactor.response(copy.deepcopy(given["response"]))
    expected = _redacted(plant)
    assert request.uri == expected["request"]["uri"]
    assert request.body == _content(expected["request"])
    assert request._to_dict()["headers"] == expected["request"]["headers"]
    assert (answer["headers"], _content(answer)) == (expected["response"]["headers"], _content(expected["response"]))


CHARSET = "answer body: it is not in its charset"


# ── what is left alone ───────────────────────────────────────────────────────────────────────────────────────────────
def test_a_short_secret_destroys_nothing() -> None:
    """With the key "1", not one digit of a body is touched (defect 19: a whole suite was)."""
    body = b'{"id":"in_1","amount":1111,"lines":[{"quantity":1,"note":"1 of 1"}]}'
    given = {
        "request": {
            "method": "GET",
            "uri": "https://1@a.example.test/1?x=1",
            "headers": {"authorization": ["Bearer 1"]},
            "body": "",
        },
        "response": {
            "status": {"code": 200},
            "headers": {"content-type": ["application/json"]},
            "body": {"string": body},
        },
    }
    made = Redactor("stripe").interaction(given).interaction
    assert made["response"] == given["response"]
    assert made["request"]["uri"] == "https://REDACTED@a.example.test/1?x=1"


def test_a_credential_is_found_as_a_whole_word_alone() -> None:
    """What only contains it is another word, and stays."""
    body = b'{"a":"test_not_a_key","b":"test_not_a_key_2","c":"attest_not_a_key","test_not_a_key":1}'
    made = Redactor("whop").interaction(
        {
            "request": {
                "method": "GET",
                "uri": "https://api.whop.com/api/v1/invoices",
                "headers": {"authorization": ["Bearer test_not_a_key"]},
                "body": "",
            },
            "response": {"status": {"code": 200}, "headers": {}, "body": {"string": body}},
        }
    )
    assert made.interaction["response"]["body"]["string"] == body.replace(b':"test_not_a_key"', b':"REDACTED"')


def test_names_that_are_nobodys_stay() -> None:
    """A product's name, a custom field's name and a status of three words are no person and no id."""
    body = '{"product":{"name":"Gold"},"custom_fields":[{"name":"PO number"}],"status":"in_progress","city_count":2}'
    for redactor in (Redactor("stripe"), Redactor("stripe", ids=True)):
        given = {"headers": {"content-type": ["application/json"]}, "body": {"string": body.encode()}}
        assert redactor.response(given) == given
        assert redactor.notes == ()


@pytest.mark.parametrize(
    "content, kind, problem",
    [
        (b'{"email": "a@b.example', "application/json", "answer body: its content type is JSON, but it is not JSON"),
        (b"<html>", "application/json; charset=utf-8", "answer body: its content type is JSON, but it is not JSON"),
        (b'{"a": ' * 100_000, "application/json", "answer body: its content type is JSON, but it is not JSON"),
        (b"%PDF-1.7", "application/pdf", "answer body: a body of type application/pdf cannot be read"),
        (b"--x", "multipart/form-data; boundary=x", "answer body: a body of type multipart/form-data cannot be read"),
        (b"\xff\xff{", "application/json; charset=ascii", f"{CHARSET} (ascii)"),
        (b"{}", "application/json; charset=klingon", f"{CHARSET} (klingon)"),
    ],
)
def test_what_cannot_be_looked_into_is_left_and_reported(content: bytes, kind: str, problem: str) -> None:
    """Such a body is not guessed at: it stays, and `check` fails on it."""
    redactor = Redactor("stripe")
    given = {"headers": {"content-type": [kind]}, "body": {"string": content}}
    assert redactor.response(given) == given
    assert redactor.unparsed == (problem,)


@pytest.mark.parametrize(
    "content, coding, problem",
    [
        (b"\x1f\x8bno", "gzip", "answer body: its content encoding is gzip, but it cannot be decompressed"),
        (b"\x01\x02\x03", "br", "answer body: its content encoding (br) cannot be decoded"),
    ],
)
def test_an_encoding_that_cannot_be_taken_off_is_reported(content: bytes, coding: str, problem: str) -> None:
    """Torn gzip, and encodings that Python does not know."""
    redactor = Redactor("stripe")
    redactor.response({"headers": {"content-encoding": [coding]}, "body": {"string": content}})
    assert redactor.unparsed == (problem,)


def test_nothing_to_redact_is_the_same_object() -> None:
    """A request without secrets is handed back as it is, body and all."""
    request = _asked("POST", "https://a.example.test/v1/invoices", b"amount=1", {"accept": "*/*"})
    assert Redactor("stripe").request(request) is request


REAL = "in_1QkqKVQhcl5B85YlT32LIsNm"


# ── for every body ───────────────────────────────────────────────────────────────────────────────────────────────────
NAMES = ("email", "line1", "phone", "description", "name", "id")
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
)


def _by_hand(value: Any, becomes: Becomes | None = None) -> Any:
    """What the table of Stripe makes of a tree, said the plain way: by walking it."""
    if isinstance(value, dict):
        kinds = {"email": Becomes.EMAIL, "line1": Becomes.SECRET, "phone": Becomes.MASK}
        if "email" in value:
            kinds["name"] = Becomes.NAME
        leaf = (str, int)
        made = {}
        for name, inner in value.items():
            # a name beside an e-mail is a text; what is below another name has that name's kind
            own = kinds.get(name) if name != "name" or isinstance(inner, leaf) else None
            made[name] = _by_hand(inner, own or becomes)
        return made
    if isinstance(value, list):
        return [_by_hand(inner, becomes) for inner in value]
    if becomes is None or value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return 0 if becomes in {Becomes.MASK, Becomes.SECRET} else value
    return pseudonym(becomes, value)


@given(TREES, st.sampled_from([None, 1]), st.booleans(), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_every_tree_comes_out_as_a_walk_would_have_it(tree: Any, indent: int | None, ascii: bool, charset: str) -> None:
    """Replacing values at their spans is the same as walking the tree, whatever the spacing, escapes and charset."""
    assume(not isinstance(tree, str))
    text = json.dumps(tree, indent=indent, ensure_ascii=ascii)
    answer = {"headers": {"content-type": ["application/json"]}, "body": {"string": text.encode(charset)}}
    redactor = Redactor("stripe")
    made = redactor.response(answer)
    assert json.loads(made["body"]["string"]) == _by_hand(tree)
    assert redactor.unparsed == ()
    if _by_hand(tree) == tree:
        assert made == answer


KINDS = (
    "application/json",
    "application/x-www-form-urlencoded",
    "text/html; charset=latin-1",
    "",
    "x/y; charset=rot13",
)


@given(st.binary(), st.sampled_from(KINDS), st.sampled_from(["", "gzip", "deflate", "br", "gzip, deflate"]))
def test_no_bytes_are_too_strange(content: bytes, kind: str, coding: str) -> None:
    """Whatever comes is redacted, left alone, or reported; a second run changes nothing."""
    answer = {"headers": {"content-type": [kind], "content-encoding": [coding]}, "body": {"string": content}}
    once = Redactor("stripe").response(answer)
    assert Redactor("stripe").response(once) == once


@given(st.text(), st.text())
def test_no_address_is_too_strange(address: str, name: str) -> None:
    """The same holds for addresses and headers."""
    asked = _asked("GET", address, b"", {"x-a": address, "location": name})
    once = Redactor("whop", ids=True).request(asked)
    again = Redactor("whop", ids=True).request(once)
    assert (again.uri, dict(again.headers)) == (once.uri, dict(once.headers))


# ── pseudonyms ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_pseudonyms_join_within_and_across_cassettes() -> None:
    """The same person is the same pseudonym at every provider and in every run; these values are fixed for good."""
    assert person(EMAIL) == person(EMAIL.upper()) == "person-5c185786399a@example.invalid"
    assert pseudonym(Becomes.NAME, "Jane  Doe") == pseudonym(Becomes.NAME, "jane doe") == "Person 7f9cc035c332"
    assert pseudonym(Becomes.EMAIL, "") == ""


def test_ids_stay_unless_they_are_real_customers() -> None:
    """Of a test account they stay; of a live one each becomes another of the same beginning and length, everywhere."""
    told = {"id": REAL, "customer": "cus_Re8bLGCUfuibt4", "url": f"/v1/invoices/{REAL}/lines"}
    given = {"headers": {"content-type": ["application/json"]}, "body": {"string": json.dumps(told).encode()}}
    assert Redactor("stripe").response(given) == given
    live = Redactor("stripe", ids=True)
    made = json.loads(live.response(given)["body"]["string"])
    assert (made["id"][:3], len(made["id"]), made["customer"][:4], len(made["customer"])) == ("in_", 27, "cus_", 18)
    assert made["id"] != REAL
    assert made["url"] == f"/v1/invoices/{made['id']}/lines"
    asked = _asked("GET", f"https://a.example.test/v1/invoices/{REAL}", b"", {})
    assert live.request(asked).uri == f"https://a.example.test/v1/invoices/{made['id']}"
    assert live.request(live.request(asked)).uri == live.request(asked).uri


def test_ids_without_a_form_are_known_by_their_field() -> None:
    """A site's own customer ids have no prefix: they are found by name, in bodies, filters and paths alike."""
    live = Redactor("chargebee", ids=True)
    told = {"invoice": {"id": "7", "customer_id": "acme-ltd"}}
    given = {"headers": {"content-type": ["application/json"]}, "body": {"string": json.dumps(told).encode()}}
    made = json.loads(live.response(given)["body"]["string"])["invoice"]
    assert (made["id"], len(made["customer_id"])) == ("7", 10)
    for uri in (
        "https://a.example.test/customers/acme-ltd",
        "https://a.example.test/invoices?customer_id[is]=acme-ltd",
    ):
        asked = _asked("GET", uri, b"", {})
        assert live.request(asked).uri == uri.replace("acme-ltd", made["customer_id"])


@pytest.mark.parametrize("provider", providers.names())
def test_the_key_is_gone_from_where_the_client_puts_it(provider: str) -> None:
    """Every provider's key is taken out of the place where the client puts it."""
    declared = providers.get(provider)
    headers = {"authorization": declared.auth(KEY), "accept": "*/*"}
    asked = _asked("GET", "https://a.example.test/", b"", headers)
    redactor = Redactor(provider)
    assert redactor.request(asked).headers == {"accept": "*/*"}
    assert redactor.notes == ("request header authorization",)


def test_an_unknown_provider_is_refused() -> None:
    """There is no table for it."""
    with pytest.raises(ConfigurationError, match="there is no provider 'nobody'"):
        Redactor("nobody")


def test_defect_76_card_digits_and_addresses_in_messages_are_gone() -> None:
    """Defect 76: masked card numbers, a card's expiry and e-mail addresses inside messages are not in a recording."""
    told = {
        "transaction": {"masked_card_number": "************4242"},
        "card": {"expiry_month": 11, "expiry_year": 2031},
        "message": "jane.doe@mail.test is no valid customer",
    }
    answer = {
        "status": {"code": 400, "message": "Bad Request"},
        "headers": {"content-type": ["application/json"]},
        "body": {"string": json.dumps(told)},
    }
    text = Redactor("chargebee").response(answer)["body"]["string"]
    assert [word for word in ("4242", "2031", "11,", "jane.doe") if word in text] == []
    assert json.loads(text)["message"].endswith("@example.invalid is no valid customer")
