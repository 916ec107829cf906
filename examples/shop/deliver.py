"""Send the shop the webhook that a provider would send about an invoice of an emulator.

python deliver.py stripe in_00000001
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
import time
from typing import Any

import httpx

EMULATORS = os.environ.get("EMULATORS", "http://127.0.0.1:8787")
SHOP = os.environ.get("SHOP", "http://127.0.0.1:8000")


def stripe(invoice_id: str) -> httpx.Response:
    """Signed with the secret of the endpoint, as Stripe does."""
    headers = {"Authorization": f"Bearer {_variable('STRIPE_API_KEY')}"}
    invoice = _read(f"{EMULATORS}/stripe/v1/invoices/{invoice_id}", headers=headers)
    now = int(time.time())
    event = {"id": f"evt_{now}", "object": "event", "type": "invoice.updated", "created": now, "livemode": False}
    body = json.dumps(event | {"data": {"object": invoice}}).encode()
    secret = _variable("SHOP_STRIPE_WEBHOOK_SECRET").encode()
    signature = hmac.new(secret, f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return httpx.post(f"{SHOP}/webhooks/stripe", content=body, headers={"Stripe-Signature": f"t={now},v1={signature}"})


def chargebee(invoice_id: str) -> httpx.Response:
    """With a user and a password, as Chargebee does: it signs nothing."""
    auth = httpx.BasicAuth(_variable("CHARGEBEE_API_KEY"), "")
    answer = _read(f"{EMULATORS}/chargebee/api/v2/invoices/{invoice_id}", auth=auth)
    now = int(time.time())
    event = {"id": f"ev_{now}", "object": "event", "event_type": "invoice_updated", "occurred_at": now}
    user, _, password = _variable("SHOP_CHARGEBEE_WEBHOOK_SECRET").partition(":")
    return httpx.post(
        f"{SHOP}/webhooks/chargebee", json=event | {"content": answer}, auth=httpx.BasicAuth(user, password)
    )


def _variable(name: str) -> str:
    return os.environ.get(name) or sys.exit(f"{name} is not set: export it in this terminal too")


def _read(url: str, **credentials: Any) -> Any:
    answer = httpx.get(url, **credentials)
    answer.raise_for_status()
    return answer.json()


if __name__ == "__main__":
    print({"stripe": stripe, "chargebee": chargebee}[sys.argv[1]](sys.argv[2]).status_code)
