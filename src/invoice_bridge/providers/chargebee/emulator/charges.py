"""The amounts of a bill that native parameters change: coupons and exact decimals."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from invoice_bridge.core.money import exponent
from invoice_bridge.providers.chargebee.emulator.payments import ChargebeePayments

ADDRESS = "first_name last_name email company phone line1 line2 line3 city state_code state zip country"
_SALES = {"wholesale", "retail", "consumed", "vendor_use"}
_TAXED_BY = (
    *("avalara_sale_type", "avalara_transaction_type", "avalara_service_type", "avalara_tax_code"),
    *("hsn_code", "taxjar_product_code", "tax_profile_id", "tax_providers_fields"),
)
_INITIATORS = {"customer", "merchant"}


class ChargebeeCharges(ChargebeePayments):
    """The amounts of a bill.

    The coupons "spring" (20 % of the invoice) and "welcome" (5.00 off) are there already. `multi_decimal` states
    whether the site has multi-decimal pricing.
    """

    COMPUTES = frozenset(
        {
            "coupon_ids",
            "coupon",
            "discounts[].apply_on",
            "discounts[].amount",
            "amount_in_decimal",
            "charges[].amount_in_decimal",
        }
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.multi_decimal = False
        self.coupons: dict[str, dict[str, int]] = {
            "spring": {"discount_percentage": 20},
            "welcome": {"discount_amount": 500},
        }

    def _exact(self, row: Mapping[str, Any], place: str) -> dict[str, Any]:
        """Read a charge whose amount may be a decimal of major units."""
        self._among(row, "avalara_sale_type", _SALES, f"charges[avalara_sale_type]{place}" if place else "")
        given = row.get("amount_in_decimal")
        if given is None:
            return dict(row)
        param = f"charges[amount_in_decimal]{place}" if place else "amount_in_decimal"
        if not self.multi_decimal:
            raise self._refuse(f"{param} : multi-decimal pricing is not enabled", param=param)
        try:
            units = (Decimal(given) * 100).quantize(Decimal(1), ROUND_HALF_UP)
        except (InvalidOperation, TypeError):
            raise self._refuse(f"{param} : must be a decimal number", param=param) from None
        return {**row, "amount": str(units)}

    def _refuse_uncomputed(self, given: Mapping[str, Any]) -> None:
        """Refuse what decides the tax of a line by tables that are not here: its amount would be made up."""
        charges = given.get("charges", {})
        for name in _TAXED_BY:
            if name in given or name in charges:
                param = f"charges[{name}]" if name in charges else name
                raise self._refuse(f"{param} : this emulator does not compute the tax that it decides", param=param)

    def _among(self, given: Mapping[str, Any], name: str, words: set[str], param: str = "") -> None:
        if (word := given.get(name)) is not None and word not in words:
            raise self._refuse(f"{param or name} : must be one of {', '.join(sorted(words))}", param=param or name)

    def _discount_of(self, given: Mapping[str, Any], gross: int) -> list[dict[str, Any]]:
        """Return the discounts of a bill: its coupons, in their order."""
        self._among(given, "payment_initiator", _INITIATORS)
        columns = given.get("coupon_ids", {})
        codes = [columns[place] for place in sorted(columns, key=int)]
        codes += [given["coupon"]] if "coupon" in given else []
        rows = []
        for code in codes:
            if code not in self.coupons:
                raise self._refuse(
                    f"coupon_ids : {code} not found", status=404, code="resource_not_found", param="coupon_ids"
                )
            coupon = self.coupons[code]
            off = coupon.get("discount_amount", gross * coupon.get("discount_percentage", 0) // 100)
            rows.append({"entity_type": "document_level_coupon", "entity_id": code, "description": code, "amount": off})
        left = gross
        for row in rows:
            row["amount"] = min(row["amount"], left)
            left -= row["amount"]
        return [row | {"object": "discount"} for row in rows]

    def _discounted_by(self, invoice: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Make an invoice with the bill's discounts: each line bears its part, and is taxed on the rest."""
        lines = invoice["line_items"]
        gross = sum(line["amount"] for line in lines)
        rows = self._discount_of(given, gross)
        off = sum(row["amount"] for row in rows)
        if not off:
            return invoice
        parts = [line["amount"] * off // gross for line in lines]
        parts[0] += off - sum(parts)
        inclusive = self.switches["tax_inclusive"]
        percent = Decimal(self.tax_percent or 0)
        for line, part in zip(lines, parts, strict=True):
            line["discount_amount"] += part
            if line["is_taxed"]:
                tax = (line["amount"] - part) * percent / (100 + percent if inclusive else Decimal(100))
                line["tax_amount"] = int(tax.quantize(Decimal(1), ROUND_HALF_UP))
        tax_total = sum(line["tax_amount"] for line in lines)
        subtotal = invoice["sub_total"] - off
        total = subtotal + (0 if inclusive else tax_total) + invoice["round_off_amount"]
        invoice |= {"sub_total": subtotal, "tax": tax_total, "total": total}
        invoice["discounts"] = [*invoice.get("discounts", ()), *rows]
        invoice["line_item_discounts"] = [
            {"line_item_id": line["id"], "discount_type": rows[0]["entity_type"], "discount_amount": part}
            for line, part in zip(lines, parts, strict=True)
        ]
        if tax_total:
            invoice["taxes"] = [{"name": "Tax", "amount": tax_total, "object": "tax"}]
            invoice["line_item_taxes"] = [self._line_tax(line) for line in lines if line["is_taxed"]]
        return self._balanced(invoice)

    # ── parameters that all bills share
    def _rows(self, given: Mapping[str, Any], group: str) -> list[tuple[int, dict[str, str | None]]]:
        """Return the rows of a group of parameters, which arrive by column: charges[field][index]."""
        columns: Mapping[str, Mapping[str, str]] = given.get(group, {})
        if not all(isinstance(column, dict) for column in columns.values()):
            raise self._refuse(f"{group} : must be given as {group}[field][index]", param=group)
        places = sorted({int(index) for column in columns.values() for index in column if index.isdecimal()})
        return [(place, {name: column.get(str(place)) for name, column in columns.items()}) for place in places]

    def _customer(self, given: Mapping[str, Any]) -> dict[str, Any]:
        customer_id, subscription = given.get("customer_id"), given.get("subscription_id")
        if subscription is not None and (customer_id is not None or "currency_code" in given):
            raise self._refuse("subscription_id : cannot be given with customer_id or currency_code")
        if subscription is not None and subscription not in self.subscriptions:
            message = f"subscription_id : {subscription} not found"
            raise self._refuse(message, status=404, code="resource_not_found", param="subscription_id")
        if customer_id is None and given.get("subscription_id") in self.subscriptions:
            customer_id = self.subscriptions[given["subscription_id"]]["customer_id"]
        if customer_id is None:
            raise self._refuse("customer_id : cannot be blank", param="customer_id")
        if customer_id not in self.customers:
            message = f"customer_id : {customer_id} not found"
            raise self._refuse(message, status=404, code="resource_not_found", param="customer_id")
        return self.customers[customer_id]

    def _currency(self, given: Mapping[str, Any]) -> str:
        own = self.subscriptions.get(given.get("subscription_id", ""), {}).get("currency_code", "USD")
        code = given.get("currency_code", own).upper()  # the site's own by default
        try:
            exponent(code)
        except ValueError:
            raise self._refuse(f"currency_code : {code} is not valid", param="currency_code") from None
        return str(code)
