"""The conformance suite, run on Lago's adapter."""

from invoice_bridge import Line, Money, OneTimeCharge, Period
from invoice_bridge.testing import Conformance


class TestLago(Conformance):
    """Every check of the conformance suite, for Lago."""

    provider = "lago"
    change = {"metadata": {"site": "8"}}
    # The exact bytes of a bill's requests, by lago-openapi's InvoiceOneOffCreateInput.yaml; the first request is the
    # lookup, which has no body.
    vectors = {
        "an amount": (
            OneTimeCharge(reference="res-1", customer="hooli_1234", amount=Money.parse("120.00", "EUR")),
            (
                b"",
                (
                    b'{"invoice":{"external_customer_id":"hooli_1234","currency":"EUR","purchase_order_number":"res-1",'
                    b'"fees":[{"add_on_code":"charge","invoice_display_name":"res-1","unit_amount_cents":12000,"units":"1",'
                    b'"tax_codes":[]}],"skip_psp":true}}'
                ),
            ),
        ),
        "units of a month, with the customer's taxes": (
            OneTimeCharge(
                reference="res-2",
                customer="hooli_1234",
                lines=(Line(description="Setup Fee (SF1)", quantity="2.5", unit_amount=Money.parse("120.00", "EUR")),),
                period=Period.month(2022, 8),
                tax="provider",
            ),
            (
                b"",
                (
                    b'{"invoice":{"external_customer_id":"hooli_1234","currency":"EUR","purchase_order_number":"res-2",'
                    b'"fees":[{"add_on_code":"charge","invoice_display_name":"Setup Fee (SF1)",'
                    b'"unit_amount_cents":12000,"units":"2.5","from_datetime":"2022-08-01T00:00:00Z","to_datetime":"2022-09-01T00:00:00Z"}],'
                    b'"skip_psp":true}}'
                ),
            ),
        ),
    }
