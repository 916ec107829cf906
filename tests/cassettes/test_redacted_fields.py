"""Names, postal addresses and card data of each provider, field by field: from its SDK's models and its contract."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from invoice_bridge import providers
from invoice_bridge.cassettes.player import Player
from invoice_bridge.cassettes.recorder import Recorder
from invoice_bridge.cassettes.redaction import Redactor
from tests.cassettes.made import AT

PERSON = {
    "chargeapi": {
        "billing_details": {
            "name": "Canary Jane",
            "email": "jane@canary.example",
            "phone": "+49 30 7654321",
            "address": {
                "line1": "7 Canary Row",
                "line2": "Canary Flat 9",
                "city": "Canaryville",
                "state": "Canarystate",
                "postal_code": "98765",
            },
        },
        "card": {
            "number": "4000123412341234",
            "last4": "9871",
            "fingerprint": "CANARYfp",
            "exp_month": 7,
            "cvc": "973",
        },
        "card_expiry": {"exp_year": 2093},
        "bank_account": {"account_number": "987654321", "routing_number": "987000000"},
    },
    "chargebee": {
        "customer": {
            "first_name": "Canary",
            "last_name": "Jane",
            "company": "Canary Ltd",
            "email": "jane@canary.example",
            "phone": "+49 30 7654321",
            "vat_number": "DE987654321",
            "tax_id": "CANARY987",
            "created_from_ip": "192.0.2.77",
            "billing_address": {
                "line1": "7 Canary Row",
                "line2": "Canary Flat 9",
                "line3": "Canary Yard",
                "city": "Canaryville",
                "state": "Canarystate",
                "state_code": "CY",
                "zip": "98765",
            },
        },
        "card": {
            "billing_addr1": "8 Canary Row",
            "billing_addr2": "Canary Floor 9",
            "billing_city": "Canarytown",
            "billing_state": "Canaryshire",
            "billing_state_code": "CS",
            "billing_zip": "97531",
            "iin": "499999",
            "last4": "9871",
            "masked_number": "************9871",
            "expiry_month": 7,
            "expiry_year": 2093,
            "cvv": "973",
            "ip_address": "192.0.2.78",
        },
        "transaction": {"masked_card_number": "************9872", "fraud_reason": None},
        "bank_account": {
            "name_on_account": "Canary Jane Doe",
            "iban": "DE98765432109876543210",
            "account_number": "987654321",
            "routing_number": "987000000",
            "swedish_identity_number": "987654-9876",
        },
        "upi": {"vpa": "canary@upi"},
        "payment_intent": {"client_ip_address": "192.0.2.79"},
    },
    "stripe": {
        "customer_name": "Canary Jane",
        "customer_email": "jane@canary.example",
        "customer_phone": "+49 30 7654321",
        "customer_address": {
            "line1": "7 Canary Row",
            "line2": "Canary Flat 9",
            "city": "Canaryville",
            "state": "Canarystate",
            "postal_code": "98765",
        },
        "customer_shipping": {"name": "Canary Joe", "phone": "+49 30 7654322"},
        "customer": {"name": "Canary Jill", "individual_name": "Canary Ann", "business_name": "Canary Ltd"},
        "customer_tax_ids": [{"value": "DE987654321"}],
        "tax_id": {"verification": {"verified_name": "Canary Vee", "verified_address": "9 Canary Row"}},
        "billing_details": {"name": "Canary Bob", "tax_id": "98765432100"},
        "card": {
            "name": "Canary Card",
            "address_line1": "8 Canary Row",
            "address_line2": "Canary Floor 9",
            "address_city": "Canarytown",
            "address_state": "Canaryshire",
            "address_zip": "97531",
            "number": "4000123412341234",
            "last4": "9871",
            "dynamic_last4": "9872",
            "iin": "499999",
            "fingerprint": "CANARYfp",
            "exp_month": 7,
            "exp_year": 2093,
            "cvc": "973",
        },
        "card_present": {"cardholder_name": "CANARY/JANE"},
        "us_bank_account": {"account_holder_name": "Canary Holder", "account_number": "987654321"},
        "paypal": {"payer_email": "jane@canary.example", "payer_name": "Canary Pay", "payer_id": "CANARYPAYER"},
        "bacs_debit": {"sort_code": "98-76-54", "bsb_number": "987-654"},
        "klarna": {"dob": {"day": 27, "month": 7, "year": 1993}},
        "sepa_debit": {"iban": "DE98765432109876543210", "iban_last4": "3210"},
        "owner": {
            "name": "Canary Own",
            "verified_email": "jane@canary.example",
            "verified_name": "Canary Own",
            "verified_phone": "+49 30 7654323",
        },
        "source": {
            "first_name": "Canary",
            "last_name": "Jane",
            "refund_account_holder_name": "Canary Ref",
            "refund_account_holder_address_line1": "6 Canary Row",
            "refund_account_holder_address_line2": "Canary Loft 9",
            "refund_account_holder_address_city": "Canaryburg",
            "refund_account_holder_address_state": "Canaryland",
            "refund_account_holder_address_postal_code": "96543",
            "refund_iban": "DE98765432109876543211",
        },
        "cashapp": {"cashtag": "$canary", "buyer_id": "CANARYBUYER"},
        "level3": {"shipping_address_zip": "95432"},
    },
    "whop": {
        "customer_name": "Canary Jane",
        "email_address": "jane@canary.example",
        "customer_email": "jane@canary.example",
        "customer_phone": "+49 30 7654321",
        "user": {"username": "canary_jane", "name": "Canary Jane", "email": None},
        "member": {"display_name": "Canary Jane", "email": "jane@canary.example", "phone_number": "+49 30 7654322"},
        "mailing_address": {
            "name": "Canary Jane",
            "line1": "7 Canary Row",
            "line2": "Canary Flat 9",
            "city": "Canaryville",
            "state": "Canarystate",
            "postal_code": "98765",
            "phone": "+49 30 7654323",
            "tax_id_value": "DE987654321",
        },
        "shipping_address": {"name": "Canary Joe"},
        "payment_instrument": {
            "display_name": "Visa •••• 9871",
            "card": {"issuer_identification_number": "499999", "last4": "9871", "exp_month": 7.0, "exp_year": 2093},
        },
        "payment_method": {"card": {"fingerprint": "CANARYfp", "last4": "9871"}, "cashapp": {"cashtag": "$canary"}},
        "payment": {"card_last4": "9871", "card_exp_month": 7, "card_exp_year": 2093, "ip_address": "192.0.2.77"},
        "bank_transfer": {
            "beneficiary_name": "Canary Holder",
            "beneficiary_document": "987.654.321-00",
            "account_number": "987654321",
            "secondary_account_number": "987654322",
            "routing_number": "987000000",
        },
    },
}
"""Fields of each provider whose every value must go. Values that are the same at all providers mean the same person."""

STAYS = {
    "country": "DE",
    "currency": "eur",
    "amount": 1999,
    "brand": "visa",
    "product": {"name": "Gold"},
    "description": "Reservation fees, 7 nights",
}


def leaves(value: Any, names: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """The names that lead to each value of a tree, and the value."""
    if isinstance(value, dict):
        return [leaf for name, inner in value.items() for leaf in leaves(inner, (*names, name))]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner, names)]
    return [] if value is None else [(names, value)]


def nested(names: tuple[str, ...], value: Any) -> Any:
    """One value, below its names, with the neighbour that a row may ask for."""
    beside = {"email": None} if names[-1] in {"name", "display_name"} else {}
    made: Any = {names[-1]: value, **beside}
    for name in reversed(names[:-1]):
        made = {name: made}
    return made


EACH = [
    pytest.param(provider, names, value, id=f"{provider}-{'.'.join(names)}-{number}")
    for provider, tree in PERSON.items()
    for number, (names, value) in enumerate(leaves(tree))
]


def test_every_provider_has_people() -> None:
    """A provider without a list of fields would be tested by nothing."""
    assert set(PERSON) == set(providers.names())


@pytest.mark.parametrize("provider, names, value", EACH)
def test_defect_76_each_field_of_a_payer_goes_in_answers(provider: str, names: tuple[str, ...], value: Any) -> None:
    """Defect 76: each name, address, card and bank field is gone from an answer; what is beside it is as it was."""
    text = json.dumps({"before": STAYS, "it": nested(names, value), "after": STAYS})
    answer = {"headers": {"content-type": ["application/json"]}, "body": {"string": text}}
    made = Redactor(provider).response(answer)["body"]["string"]
    assert json.dumps(value) not in made.split('"it": ')[1].split('"after"')[0]
    kept = json.dumps({"before": STAYS})[:-1]
    assert made.startswith(kept)
    assert made.endswith(f'"after": {json.dumps(STAYS)}}}')


@pytest.mark.parametrize("provider, names, value", EACH)
def test_defect_76_each_field_of_a_payer_goes_in_requests(provider: str, names: tuple[str, ...], value: Any) -> None:
    """Defect 76: the same fields are gone from what is sent, as a form or as JSON; the other fields stay."""
    redactor = Redactor(provider)
    field = names[0] + "".join(f"[{part}]" for part in names[1:])
    beside = names[0] + "".join(f"[{part}]" for part in (*names[1:-1], "email")) if names[1:] else "email"
    form = f"amount=1999&{beside}=&{field}={quote(str(value))}&currency=eur"
    made, count = redactor.interaction(_sent(form, "application/x-www-form-urlencoded")).interaction, form.count("&")
    body = made["request"]["body"]
    assert body.startswith("amount=1999&")
    assert body.endswith("&currency=eur")
    assert body.count("&") == count
    assert f"={quote(str(value))}&" not in body
    sent = json.dumps({"amount": 1999, "it": nested(names, value)})
    body = redactor.interaction(_sent(sent, "application/json")).interaction["request"]["body"]
    assert body.startswith('{"amount": 1999, "it": ')
    assert json.dumps(value) not in body.split('"it": ')[1]


def _sent(body: str, content_type: str) -> dict[str, Any]:
    return {
        "request": {
            "method": "POST",
            "uri": "https://api.example.test/v1/x",
            "headers": {"content-type": [content_type]},
            "body": body,
        },
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": ""}},
    }


@pytest.mark.parametrize("provider", providers.names())
def test_defect_76_the_rest_of_a_recording_stays_and_it_replays(provider: str, tmp_path: Path) -> None:
    """Defect 76: of a recorded answer full of a payer's data every other byte stays, and it replays."""
    text = json.dumps({"invoice": STAYS, "payer": PERSON[provider], "rest": STAYS}, indent=1, ensure_ascii=False)
    url = "https://api.example.test/v1/x?limit=2"
    recorder = Recorder(httpx.MockTransport(lambda _: httpx.Response(200, text=text, headers={"x-v": "1"})))
    with httpx.Client(transport=recorder) as http:
        http.post(url, json={"amount": 1999, "payer": PERSON[provider]})
    path = tmp_path / "c.yaml"
    recorder.save(path, provider, origin="emulator", recorded_at=AT)
    assert re.search("canary", path.read_text("utf-8"), re.IGNORECASE) is None
    player = Player(path)
    with httpx.Client(transport=player) as http:
        answer = http.post(url, json={"amount": 1999})
    assert player.unplayed == []
    assert answer.headers["x-v"] == "1"
    before, after = _without(json.loads(text)["payer"], text), _without(json.loads(answer.text)["payer"], answer.text)
    assert before == after


def _without(payer: Any, text: str) -> str:
    """The text with a fixed mark for each value of the payer, in the order of the text."""
    head, _, rest = text.partition('"payer": ')
    body, _, tail = rest.partition('"rest": ')
    for names, _ in leaves(payer):
        body = re.sub(rf'("{names[-1]}": )(?:"(?:[^"\\]|\\.)*"|[0-9.]+)', r"\1§", body, count=1)
    return f"{head}{body}{tail}"
