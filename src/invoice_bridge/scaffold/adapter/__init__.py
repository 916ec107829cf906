"""Acme: facts first, tables second, verbs third."""

from invoice_bridge.adapter import Named, Provider, Verbs, cannot, find
from invoice_bridge.core.idempotency import Idempotency
from invoice_bridge.core.wire import bearer

from . import bills, fields, native, shapes, tables, verbs, webhooks

ACME = Provider(
    name=tables.NAME,
    title="Acme",
    reviewed="2026-11",
    api_version=tables.API_VERSION,
    base_url=lambda _settings: "https://api.acme.test/v1",
    auth=bearer,
    headers=tables.headers,
    form=None,
    idempotency=Idempotency(tables.KEY_HEADER, tables.KEY_WINDOW, tables.KEY_SOURCE, tables.REPLAY_HEADER),
    rate=tables.RATE,
    mode=tables.mode,
    sources=tables.SOURCES,
    statuses=tables.STATUSES,
    transitions=tables.TRANSITIONS,
    fields=fields.FIELDS,
    verb_fields=fields.VERB_FIELDS,
    natives=native.NATIVES,
    errors=tables.ERRORS,
    limits=tables.LIMITS,
    money=tables.MONEY,
    flows=Verbs(
        one_time_charge=bills.charge,
        period_invoice=bills.period,
        import_invoice=cannot(
            "an invoice is numbered and dated when it is made: no document of the past can be stated",
            source="docs.acme.test/invoices",
        ),
        find=find,
        retrieve=verbs.retrieve,
        list=verbs.page,
        finalize=verbs.finalize,
        pay=verbs.collect,
        void=verbs.void,
        mark_paid=cannot(
            "a payment made elsewhere cannot be recorded: only pay, which collects, marks an invoice as paid",
            source="docs.acme.test/invoices/pay",
        ),
        mark_uncollectible=cannot(
            "an invoice cannot become uncollectible; void it instead",
            source="docs.acme.test/invoices",
        ),
        pay_part=cannot(
            "a payment collects the whole invoice: pay takes no amount",
            source="docs.acme.test/invoices/pay",
        ),
        record_payment=cannot(
            "a payment made elsewhere cannot be recorded",
            source="docs.acme.test/invoices/pay",
        ),
        refund=cannot(
            "a payment cannot be refunded",
            source="docs.acme.test/invoices",
        ),
        credit=cannot(
            "there are no credit notes",
            source="docs.acme.test/invoices",
        ),
        pdf=cannot(
            "an invoice has no document",
            source="docs.acme.test/invoices",
        ),
        update=cannot(
            "an invoice cannot be changed; keep the draft and make another",
            source="docs.acme.test/invoices",
        ),
        delete=cannot(
            "a draft cannot be deleted; keep it: a draft collects nothing",
            source="docs.acme.test/invoices",
        ),
        send_invoice=cannot(
            "finalizing mails the invoice if its collection is mail",
            source="docs.acme.test/invoices/finalize",
        ),
    ),
    parse=shapes.invoice,
    shape=shapes.INVOICE,
    refusal=shapes.refusal,
    invoice_id=shapes.invoice_id,
    webhooks=webhooks.WEBHOOKS,
    emulator=Named(f"{__name__}.emulator:AcmeEmulator"),
)
