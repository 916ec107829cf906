"""The four adapters, held to the suite that every adapter is held to."""

from invoice_bridge.testing import Conformance


class TestChargeAPI(Conformance):
    """ChargeAPI keeps every promise."""

    provider = "chargeapi"


class TestChargebee(Conformance):
    """Chargebee keeps every promise."""

    provider = "chargebee"
    expects = frozenset({"pay_part", "refund", "credit"})
    losses_elsewhere = frozenset({"IB-CHARGEBEE-COLLECTION-04"})  # catalog 1: test_chargebee_compared.py
    natives_elsewhere = frozenset(  # catalog 1: test_chargebee_native.py
        {"amount_in_decimal", "avalara_sale_type", "avalara_transaction_type", "avalara_service_type"}
    )


class TestStripe(Conformance):
    """Stripe keeps every promise."""

    provider = "stripe"
    losses_elsewhere = frozenset(  # of documents that no variant is: test_stripe_imports.py
        f"IB-STRIPE-IMPORT-{word}-{n}"
        for word, n in (
            ("MINIMUM", "01"),
            ("TAX", "02"),
            ("TAX-WITHIN", "02"),
            ("PAYMENT-DATE", "01"),
            ("METADATA", "01"),
        )
    )


class TestWhop(Conformance):
    """Whop keeps every promise."""

    provider = "whop"
