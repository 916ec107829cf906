"""ChargeAPI: invoices at the pinned API version, one JSON request per step. It accepts a period, never an amount."""

from invoice_bridge.adapter.declared import Named, cannot
from invoice_bridge.adapter.lookup import find
from invoice_bridge.adapter.provider import Provider, Verbs
from invoice_bridge.core.idempotency import Idempotency
from invoice_bridge.core.wire import bearer
from invoice_bridge.providers.chargeapi.bills import charge, period
from invoice_bridge.providers.chargeapi.fields import FIELDS, VERB_FIELDS
from invoice_bridge.providers.chargeapi.native import NATIVES
from invoice_bridge.providers.chargeapi.shapes import INVOICE, invoice, invoice_id, reference_in, refusal
from invoice_bridge.providers.chargeapi.tables import (
    API_VERSION,
    ERRORS,
    KEY_WINDOW,
    LIMITS,
    MONEY,
    REDACTIONS,
    SOURCES,
    STATUSES,
    TRANSITIONS,
    headers,
    mode,
)
from invoice_bridge.providers.chargeapi.verbs import collect, finalize, page, retrieve, update, void
from invoice_bridge.providers.chargeapi.webhooks import WEBHOOKS

CHARGEAPI = Provider(
    name="chargeapi",
    title="ChargeAPI",
    reviewed="2026-11",
    api_version=API_VERSION,
    base_url=lambda _settings: "https://api.chargeapi.co/v1",
    auth=bearer,
    headers=headers,
    form=None,
    idempotency=Idempotency(
        "Idempotency-Key",
        KEY_WINDOW,
        source="docs.chargeapi.co/idempotency; only its older generation states the 24 hours",
        # replayed answers carry no documented mark, so an answer that may be old is read again
    ),
    rate=None,  # docs.chargeapi.co/errors lists rate_limit_exceeded; no page gives a number
    mode=mode,
    sources=SOURCES,
    statuses=STATUSES,
    transitions=TRANSITIONS,
    fields=FIELDS,
    verb_fields=VERB_FIELDS,
    natives=NATIVES,
    errors=ERRORS,
    limits=LIMITS,
    money=MONEY,
    redactions=REDACTIONS,
    flows=Verbs(
        one_time_charge=charge,
        period_invoice=period,
        import_invoice=cannot(
            "an invoice is made of the account's own transactions: no amount, line, number, date or status is taken",
            source="docs.chargeapi.co/api-reference/invoices/create",
        ),
        find=find,
        retrieve=retrieve,
        list=page,
        pdf=cannot(
            "invoices have neither a PDF nor a hosted page",
            source="docs.chargeapi.co/api-reference/invoices/object",
        ),
        finalize=finalize,
        pay=collect,
        pay_part=cannot(
            "pay takes no amount: it collects the whole invoice",
            source="docs.chargeapi.co/api-reference/invoices/pay",
        ),
        mark_paid=cannot(
            "a payment made elsewhere cannot be recorded: only pay marks an invoice as paid, and pay collects",
            source="docs.chargeapi.co/api-reference/invoices/pay",
        ),
        record_payment=cannot(
            "a payment made elsewhere cannot be recorded, in whole or in part",
            source="docs.chargeapi.co/api-reference/invoices/pay",
        ),
        refund=cannot(
            "the API can only read refunds; refund the invoice in the dashboard",
            source="docs.chargeapi.co/api-reference/transactions/object",
        ),
        credit=cannot(
            "there are no credit notes",
            source="docs.chargeapi.co/api-reference/invoices/object",
        ),
        void=void,
        mark_uncollectible=cannot(
            "no request marks an invoice as uncollectible; void it instead",
            source="docs.chargeapi.co/api-reference/invoices/list",
        ),
        update=update,
        delete=cannot(
            "a draft can neither be deleted nor voided; leave it: a draft collects nothing",
            source="docs.chargeapi.co/api-reference/invoices/void",
        ),
        send_invoice=cannot(
            "no request mails an invoice; mail it yourself",
            source="docs.chargeapi.co/api-reference/invoices/object",
        ),
    ),
    parse=invoice,
    shape=INVOICE,
    refusal=refusal,
    invoice_id=invoice_id,
    reference_in=reference_in,
    webhooks=WEBHOOKS,
    emulator=Named("invoice_bridge.providers.chargeapi.emulator:ChargeApiEmulator"),
)
