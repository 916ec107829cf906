"""Planted secrets, all invented: each in one place of one interaction, with what must stand there afterwards."""

from __future__ import annotations

import base64
import codecs
import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

from invoice_bridge.adapter.redactions import Becomes
from invoice_bridge.cassettes.pseudonyms import LINK, REDACTED, pseudonym

KEY = "sk_live_CANARY_this_is_no_key"
CHARGE_KEY = "ch_sk_live_CANARY_this_is_no_key"
BARE_KEY = "CANARY-of-no-shape-at-all"  # of a provider whose keys have no form of their own
HOOK = "whsec_CANARY_this_is_no_secret"
EMAIL = "Canary.Person+x@nowhere.example"
NAME = "Canary Jane d'Arc"
STREET = "7 Canary Row"
PHONE = "+49 30 1234567"
TOKEN = "CANARYtokenTHATopensANinvoice"
JWT = "eyJDQU5BUlkiOjF9.eyJDQU5BUlkiOjJ9.Q0FOQVJZLXNpZ25hdHVyZQ"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def person(text: str = EMAIL) -> str:
    """The pseudonym of an e-mail address."""
    return pseudonym(Becomes.EMAIL, text)


def named(text: str = NAME) -> str:
    """The pseudonym of a name."""
    return pseudonym(Becomes.NAME, text)


@dataclass(frozen=True)
class Plant:
    """A secret, and the text around it: "§" marks where it stands in `template`, spelled by `spell`.

    `place` is "uri", or "request"/"answer" and a header's name, or "request"/"answer" and "body". `pack` makes bytes of
    a body's text. `leaves` is what stands in its place; None where the whole header is gone.
    """

    what: str
    provider: str
    place: tuple[str, ...]
    template: str
    secret: str
    leaves: str | None = REDACTED
    content_type: str = JSON
    coding: str = ""
    pack: Callable[[str], bytes] = str.encode
    unpack: Callable[[bytes], bytes] = bytes
    spell: Callable[[str], str] = str
    authorization: str | None = None

    def interaction(self, word: str | None) -> dict[str, Any]:
        """The interaction with `word` in the secret's place; None leaves the header out."""
        text = "" if word is None else self.template.replace("§", self.spell(word))
        request: dict[str, Any] = {"method": "POST", "uri": "https://api.example.test/v1/x", "headers": {}, "body": ""}
        answer: dict[str, Any] = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": b"{}"}}
        if self.authorization:
            request["headers"]["authorization"] = [self.authorization]
        side = answer if self.place[0] == "answer" else request
        if self.place == ("uri",):
            request["uri"] = text
        elif self.place[1] == "body":
            body = self.pack(text)
            side["headers"] |= {"content-type": [self.content_type], "content-length": [str(len(body))]}
            if self.coding:
                side["headers"]["content-encoding"] = [self.coding]
            side["body"] = {"string": body} if side is answer else body
        elif word is not None:
            side["headers"][self.place[1]] = ["first", text] if self.place[1] == "x-many" else [text]
        return {"request": request, "response": answer}


def based(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(c):04x}" for c in text) if not text.startswith(("person-", REDACTED)) else text


def _raw_deflate(text: str) -> bytes:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(text.encode()) + deflate.flush()


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _twice(text: str) -> str:
    return json.dumps(json.dumps(text)[1:-1])[1:-1]


ASK, ANSWER = ("request", "body"), ("answer", "body")
_SPACED = '{ "amount": 1.0, "z": [1e3, -0.50], "a":"\\u00e9\\/" ,\n\t"NAME": "§", "b": null }'


def _field(name: str) -> str:
    return _SPACED.replace("NAME", name)


PLANTS = (
    # ── headers ──────────────────────────────────────────────────────────────────────────────────────────────────────
    Plant("bearer", "stripe", ("request", "Authorization"), "Bearer §", KEY, None),
    Plant("raw authorization", "whop", ("request", "authorization"), "§", BARE_KEY, None),
    Plant("basic", "chargebee", ("request", "authorization"), "Basic §", BARE_KEY + ":", None, spell=based),
    Plant("proxy", "stripe", ("request", "Proxy-Authorization"), "Basic §", "u:" + KEY, None, spell=based),
    Plant("cookie", "whop", ("request", "Cookie"), "session=§; theme=dark", TOKEN, None),
    Plant("set-cookie", "whop", ("answer", "Set-Cookie"), "session=§; Path=/; HttpOnly", TOKEN, None),
    Plant("api key header", "chargeapi", ("request", "X-API-Key"), "§", CHARGE_KEY, None),
    Plant("machine", "stripe", ("request", "X-Stripe-Client-User-Agent"), '{"uname": "§"}', "canary-host", None),
    Plant("signature", "chargeapi", ("request", "Charge-Signature"), "t=1,v1=§", "CANARY" * 8, None),
    Plant("origin user", "chargebee", ("request", "chargebee-request-origin-user"), "§", EMAIL, person()),
    Plant("origin address", "chargebee", ("request", "chargebee-request-origin-ip"), "§", "192.0.2.77", None),
    Plant("key in another header", "stripe", ("request", "x-debug"), "key=§; v=1", KEY),
    Plant(
        "key in base64 in another header",
        "stripe",
        ("request", "x-original"),
        "Basic §",
        KEY + ":",
        spell=lambda t: t if t == REDACTED else based(t),
    ),
    Plant("key in an answer's header", "stripe", ("answer", "x-echo"), "for §.", KEY),
    Plant("one of several values", "stripe", ("answer", "x-many"), "§", KEY),
    Plant(
        "known key without a shape",
        "whop",
        ("answer", "x-echo"),
        "for §!",
        BARE_KEY,
        authorization=f"Bearer {BARE_KEY}",
    ),
    Plant(
        "known key in base64",
        "whop",
        ("answer", "x-echo"),
        "§",
        BARE_KEY,
        authorization=f"Bearer {BARE_KEY}",
        spell=lambda t: t if t == REDACTED else based(t),
    ),
    Plant("json web token", "whop", ("answer", "x-told"), "v1 §", JWT),
    # ── redirects ────────────────────────────────────────────────────────────────────────────────────────────────────
    Plant("redirect, query", "whop", ("answer", "Location"), "https://a.example.test/b?page=2&token=§&z=1", TOKEN),
    Plant("redirect, relative", "whop", ("answer", "Location"), "/b?token=§#top", TOKEN),
    Plant("redirect, fragment", "whop", ("answer", "Location"), "https://a.example.test/b#access_token=§&x=1", TOKEN),
    Plant("redirect, userinfo", "stripe", ("answer", "Location"), "https://§@a.example.test/b", "me:CANARYpw"),
    Plant("next page", "stripe", ("answer", "Link"), '<https://a.example.test/b?api_key=§&p=2>; rel="next"', TOKEN),
    # ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────
    Plant("userinfo", "chargebee", ("uri",), "https://§@acme.example.test/api/v2/invoices?limit=2", "CANARY_key:"),
    Plant("query", "whop", ("uri",), "https://api.example.test/invoices?first=2&api_key=§&after=x", TOKEN),
    Plant(
        "query, encoded",
        "stripe",
        ("uri",),
        "https://api.example.test/v1/customers?email=§&limit=3",
        EMAIL,
        person(),
        spell=quote_plus,
    ),
    Plant(
        "query, nested",
        "stripe",
        ("uri",),
        "https://api.example.test/v1/x?customer_details%5Bemail%5D=§",
        EMAIL,
        person(),
        spell=quote_plus,
    ),
    Plant("query, name encoded", "whop", ("uri",), "https://api.example.test/x?%74oken=§", TOKEN),
    Plant(
        "query, operator",
        "chargebee",
        ("uri",),
        "https://api.example.test/customers?email[is]=§&limit=1",
        EMAIL,
        person(),
        spell=quote_plus,
    ),
    Plant("path", "whop", ("uri",), "https://api.example.test/api/v1/invoices/§", TOKEN),
    Plant("path, with more behind", "whop", ("uri",), "https://api.example.test/api/v1/invoices/§/void?x=1", TOKEN),
    Plant("key in a path", "stripe", ("uri",), "https://api.example.test/v1/keys/§/roll", KEY),
    # ── forms ────────────────────────────────────────────────────────────────────────────────────────────────────────
    Plant("form", "stripe", ASK, "amount=1.0&email=§&x=%7e", EMAIL, person(), FORM, spell=quote_plus),
    Plant(
        "form, nested",
        "stripe",
        ASK,
        "a%5Bb%5D=+1&customer_details[shipping][phone]=§",
        PHONE,
        "+00 00 0000000",
        FORM,
        spell=quote_plus,
    ),
    Plant(
        "form, list inside",
        "stripe",
        ASK,
        "tax_id_data[0][type]=eu_vat&tax_id_data[0][value]=§",
        "DE812345678",
        "XX000000000",
        FORM,
    ),
    Plant(
        "form, index last",
        "chargebee",
        ASK,
        "charges[amount][0]=1900&people[email][0]=§&people[email][1]=",
        EMAIL,
        person(),
        FORM,
        spell=quote_plus,
    ),
    Plant("form, name beside e-mail", "stripe", ASK, "name=§&email=", NAME, named(), FORM, spell=quote_plus),
    Plant(
        "form, number of a card",
        "chargebee",
        ASK,
        "card[number]=§&card[brand]=visa",
        "4000123412341234",
        "0" * 16,
        FORM,
    ),
    Plant("form, cvv", "chargebee", ASK, "card[cvv]=§&amount=987", "987", REDACTED, FORM),
    Plant(
        "form, address",
        "chargebee",
        ASK,
        "billing_address[line1]=§&billing_address[country]=DE",
        STREET,
        REDACTED,
        FORM,
        spell=quote_plus,
    ),
    Plant(
        "form, charset said",
        "stripe",
        ASK,
        "description=caf%C3%A9&email=§",
        EMAIL,
        person(),
        FORM + "; charset=utf-8",
        spell=quote_plus,
    ),
    Plant(
        "form, latin-1 escapes",
        "chargebee",
        ASK,
        "first_name=§&note=caf%E9",
        "Andr\xe9 Canary",
        named("Andr\xe9 Canary"),
        FORM,
        spell=lambda t: quote_plus(t, encoding="latin-1"),
    ),
    Plant(
        "form, value escaped throughout",
        "stripe",
        ASK,
        "email=§&a=b",
        EMAIL,
        person(),
        FORM,
        spell=lambda t: quote_plus(t) if t == person() else "".join(f"%{ord(c):02X}" for c in t),
    ),
    Plant(
        "form, JSON in a value",
        "stripe",
        ASK,
        "a=1&raw=%7B%22email%22%3A+%22§%22%2C%22n%22%3A1.0%7D",
        EMAIL,
        person(),
        FORM,
        spell=quote_plus,
    ),
    Plant("form, key in a text", "stripe", ASK, "description=for+§+now", KEY, REDACTED, FORM),
    Plant("form, no content type", "stripe", ASK, "a=1&email=§", EMAIL, person(), "", spell=quote_plus),
    # ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    Plant("json, asked", "whop", ASK, _field("email_address"), EMAIL, person()),
    Plant("json, answered", "stripe", ANSWER, _field("customer_email"), EMAIL, person()),
    Plant("json, name", "whop", ANSWER, _field("customer_name"), NAME, named()),
    Plant("json, upper case", "whop", ANSWER, _field("Email"), EMAIL, person()),
    Plant(
        "json, name beside e-mail",
        "chargeapi",
        ANSWER,
        '{"plan":{"name":"Gold"},"driver":{"name":"§","email":null}}',
        NAME,
        named(),
    ),
    Plant("json, public token", "whop", ANSWER, _field("fetch_invoice_token"), TOKEN),
    Plant("json, pay online", "whop", ANSWER, _field("pay_online_url"), f"https://w.example.test/{TOKEN}", LINK),
    Plant("json, hosted page", "stripe", ANSWER, _field("hosted_invoice_url"), f"https://i.example.test/{TOKEN}", LINK),
    Plant("json, PDF", "stripe", ANSWER, _field("invoice_pdf"), f"https://i.example.test/{TOKEN}/pdf", LINK),
    Plant(
        "json, download",
        "chargebee",
        ANSWER,
        '{"download":{"download_url":"§","valid_till":1}}',
        f"https://d.example.test/{TOKEN}",
        LINK,
    ),
    Plant("json, client secret", "stripe", ANSWER, '{"confirmation_secret":{"client_secret":"§","type":"x"}}', TOKEN),
    Plant(
        "json, deep",
        "stripe",
        ANSWER,
        '{"data":[[{"x":{"y":[{"billing_details":{"address":{"line1":"§"}}}]}}]]}',
        STREET,
    ),
    Plant(
        "json, in a list of texts",
        "chargebee",
        ANSWER,
        '{"email":["x@y.example.test","§"]}'.replace("x@y.example.test", ""),
        EMAIL,
        person(),
    ),
    Plant("json, last four", "chargeapi", ANSWER, '{"card":{"last4":"§","funding":"debit"}}', "9871", "0000"),
    Plant("json, last four as a number", "stripe", ANSWER, '{"card":{"last4":§,"funding":"debit"}}', "9871", "0"),
    Plant("json, fingerprint", "stripe", ANSWER, '{"card":{"fingerprint":"§"}}', TOKEN),
    Plant(
        "json, VAT number",
        "chargebee",
        ANSWER,
        '{"invoice":{"vat_number":"§","po_number":"812345678"}}',
        "812345678",
        "000000000",
    ),
    Plant("json, webhook secret", "chargeapi", ANSWER, '{"id":"wh_1","secret":"§"}', HOOK),
    Plant("json, escaped", "stripe", ANSWER, _field("customer_email"), EMAIL, person(), spell=_escaped),
    Plant("json, name escaped", "stripe", ANSWER, '{"customer\\u005femail": "§"}', EMAIL, person()),
    Plant("json, surrogates before it", "stripe", ANSWER, '{"note":"\\ud83d\\ude00 \\u00e9 § \\n"}', KEY),
    Plant(
        "json in json", "stripe", ANSWER, '{"request":"{\\"a\\": 1.0, \\"email\\": \\"§\\"}","n":1}', EMAIL, person()
    ),
    Plant(
        "json in json in json",
        "stripe",
        ANSWER,
        _dumped({"x": _dumped({"y": _dumped({"email": "§", "n": 1})})}),
        EMAIL,
        person(),
        spell=_twice,
    ),
    Plant(
        "address in json",
        "chargeapi",
        ANSWER,
        '{"next_page_url":"https:\\/\\/a.example.test\\/b?page=page_1&token=§&z=1","n":1}',
        TOKEN,
    ),
    Plant(
        "address in a text",
        "stripe",
        ANSWER,
        '{"message":"See https://me:§@a.example.test/ for more"}'.replace("me:§", "§"),
        "me:CANARYpw",
    ),
    Plant("error repeats the key", "stripe", ANSWER, '{"error":{"message":"Invalid API Key provided: §."}}', KEY),
    Plant(
        "error repeats the other key",
        "chargeapi",
        ANSWER,
        '{"object":"error","message":"No such key: \\u0027§\\u0027"}',
        CHARGE_KEY,
    ),
    Plant(
        "error repeats a key without a shape",
        "whop",
        ANSWER,
        '{"error":{"message":"§ is no key"}}',
        BARE_KEY,
        authorization=f"Bearer {BARE_KEY}",
    ),
    Plant(
        "error repeats a Basic header",
        "chargebee",
        ANSWER,
        '{"message":"cannot read Basic §"}',
        BARE_KEY + ":",
        spell=lambda t: t if t == REDACTED else based(t),
    ),
    Plant(
        "error repeats a key in base64",
        "stripe",
        ANSWER,
        '{"message":"got §"}',
        "x" + KEY,
        spell=lambda t: t if t == REDACTED else based(t),
    ),
    Plant(
        "html page repeats the key",
        "stripe",
        ANSWER,
        "<html><p>key <b>§</b> refused</p></html>",
        KEY,
        content_type="text/html",
    ),
    Plant("json said to be a text", "stripe", ANSWER, '{"email": "§"}', EMAIL, person(), "text/plain"),
    # ── charsets and content encodings ───────────────────────────────────────────────────────────────────────────────
    Plant(
        "gzip",
        "stripe",
        ANSWER,
        _field("customer_email"),
        EMAIL,
        person(),
        coding="gzip",
        pack=lambda t: gzip.compress(t.encode()),
        unpack=gzip.decompress,
    ),
    Plant(
        "gzip, asked",
        "whop",
        ASK,
        _field("email"),
        EMAIL,
        person(),
        coding="x-gzip",
        pack=lambda t: gzip.compress(t.encode()),
        unpack=gzip.decompress,
    ),
    Plant(
        "deflate",
        "stripe",
        ANSWER,
        _field("customer_email"),
        EMAIL,
        person(),
        coding="deflate",
        pack=lambda t: zlib.compress(t.encode()),
        unpack=zlib.decompress,
    ),
    Plant(
        "raw deflate",
        "stripe",
        ANSWER,
        _field("customer_email"),
        EMAIL,
        person(),
        coding="deflate",
        pack=_raw_deflate,
        unpack=lambda b: zlib.decompress(b, -zlib.MAX_WBITS),
    ),
    Plant("gzip taken off before", "stripe", ANSWER, _field("customer_email"), EMAIL, person(), coding="gzip"),
    Plant(
        "utf-8 with a mark",
        "stripe",
        ANSWER,
        _field("customer_email"),
        EMAIL,
        person(),
        pack=lambda t: codecs.BOM_UTF8 + t.encode(),
    ),
    Plant(
        "utf-16, little end first",
        "stripe",
        ANSWER,
        _field("customer_email"),
        EMAIL,
        person(),
        pack=lambda t: codecs.BOM_UTF16_LE + t.encode("utf-16-le"),
    ),
    Plant(
        "utf-16, big end first",
        "stripe",
        ANSWER,
        _field("customer_email"),
        EMAIL,
        person(),
        JSON + "; charset=utf-16",
        pack=lambda t: codecs.BOM_UTF16_BE + t.encode("utf-16-be"),
    ),
    Plant(
        "utf-16 without a mark",
        "stripe",
        ANSWER,
        _field("customer_email"),
        EMAIL,
        person(),
        JSON + "; charset=UTF-16",
        pack=lambda t: t.encode("utf-16-le"),
    ),
    Plant("utf-32", "whop", ANSWER, _field("email"), EMAIL, person(), pack=lambda t: t.encode("utf-32")),
    Plant(
        "latin-1",
        "whop",
        ANSWER,
        '{"city":"caf\xe9","customer_name":"§"}'.replace("city", "title"),
        "Ren\xe9 Canary",
        named("Ren\xe9 Canary"),
        JSON + "; charset=iso-8859-1",
        pack=lambda t: t.encode("latin-1"),
    ),
    Plant(
        "utf-16 and gzip",
        "stripe",
        ANSWER,
        _field("customer_email"),
        EMAIL,
        person(),
        coding="gzip",
        pack=lambda t: gzip.compress(t.encode("utf-16")),
        unpack=gzip.decompress,
    ),
    Plant(
        "bytes that are no utf-8",
        "stripe",
        ANSWER,
        '{"note":"\udcff","email":"§"}',
        EMAIL,
        person(),
        pack=lambda t: t.encode("utf-8", "surrogateescape"),
    ),
)


def shapes(secret: str) -> list[bytes]:
    """How a secret may still stand there: as it is, escaped, and in base64 at each of the three alignments."""
    found = [
        secret.encode("utf-8"),
        secret.encode("utf-16-le"),
        quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
    ]
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + secret.encode())
        found.append(coded[(0, 4, 4)[shift] : len(coded) // 4 * 4 - 4])  # without the ends, which its neighbours share
    return [shape for shape in found if shape]
