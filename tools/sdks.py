"""Test the versions of the official SDKs that the extras `stripe` and `chargebee` allow: `decode` reads their objects.

    make sdks                                every version in requirements/sdks.txt
    .venv/bin/python tools/sdks.py --pin     write the hashes of these versions again

Each version is installed into its own temporary folder; its dependencies come from the development environment.
`decode` must read the SDK's invoice object and the same JSON as equal invoices. The exit code is 1 if one version
fails.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from invoice_bridge import decode

PINS = Path(__file__).resolve().parent.parent / "requirements" / "sdks.txt"
PIP = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check")
AT, LATER = 1_770_000_000, 1_770_086_400
STRIPE: dict[str, Any] = {
    "id": "in_1", "object": "invoice", "status": "open", "currency": "eur", "subtotal": 1999, "total": 1999,
    "amount_due": 1999, "customer": "cus_42", "created": AT, "metadata": {"a": "b"},
    "lines": {"object": "list", "url": "/v1/invoices/in_1/lines", "has_more": False, "data": [
        {"id": "il_1", "object": "line_item", "amount": 1999, "currency": "eur", "description": "Fees", "quantity": 1,
         "period": {"start": AT, "end": LATER}},
    ]},
}  # fmt: skip
CHARGEBEE: dict[str, Any] = {
    "id": "7", "object": "invoice", "status": "payment_due", "currency_code": "EUR", "total": 1999,
    "customer_id": "cus_42", "date": AT, "line_items": [
        {"id": "li_1", "object": "line_item", "amount": 1999, "description": "Fees", "entity_type": "adhoc",
         "date_from": AT, "date_to": LATER},
    ],
}  # fmt: skip


def sdk_invoice(name: str) -> tuple[dict[str, Any], Any]:
    """Return an invoice's JSON, and the same invoice as the SDK's own object."""
    sdk: Any = import_module(name)
    if name == "stripe":
        return STRIPE, sdk.Invoice.construct_from(STRIPE, "sk_test_not_a_key")
    if int(version(name).partition(".")[0]) < 3:
        return CHARGEBEE, sdk.Invoice.construct(CHARGEBEE)
    return CHARGEBEE, import_module("chargebee.models.invoice.responses").InvoiceResponse.construct(CHARGEBEE)


def check(name: str) -> int:
    """Compare the installed version's object with the JSON."""
    data, invoice = sdk_invoice(name)
    expected, decoded = decode(name, data), decode(name, invoice)
    assert (decoded, decoded.problems, len(decoded.lines), str(decoded.total)) == (expected, (), 1, "19.99 EUR")
    print(f"{name} {version(name)}: {type(invoice).__module__}.{type(invoice).__name__} reads as its JSON does")
    return 0


def check_all() -> int:
    """Install each version in turn, and check it in its own process."""
    failed = 0
    for pin in PINS.read_text("utf-8").splitlines():
        if not pin or pin.startswith("#"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "one.txt"
            file.write_text(pin + "\n", "utf-8")
            install = ("install", "--no-deps", "--no-compile", "--require-hashes", "--target", folder, "-r", str(file))
            subprocess.run([*PIP, *install], check=True)
            name = pin.partition("==")[0]
            done = subprocess.run(
                [sys.executable, __file__, name], env=os.environ | {"PYTHONPATH": folder}, check=False
            )
            failed += done.returncode != 0
    return int(failed > 0)


def pin_all() -> None:
    """Write the hashes of the versions in the file again."""
    lines = []
    for line in PINS.read_text("utf-8").splitlines():
        if (named := re.match(r"[a-z]+==\S+", line)) is not None:
            with tempfile.TemporaryDirectory() as folder:
                subprocess.run([*PIP, "download", "--no-deps", "-d", folder, named[0]], check=True)
                (file,) = Path(folder).iterdir()
                line = f"{named[0]} --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"  # noqa: PLW2901
        lines.append(line)
    PINS.write_text("\n".join(lines) + "\n", "utf-8")


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("installed", nargs="?", choices=("stripe", "chargebee"), help="check the installed version")
    parser.add_argument("--pin", action="store_true", help="write the hashes in requirements/sdks.txt again")
    options = parser.parse_args()
    if options.pin:
        pin_all()
        return 0
    return check(options.installed) if options.installed else check_all()


if __name__ == "__main__":
    sys.exit(main())
