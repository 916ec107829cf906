"""Lago: one-off invoices of add-ons, issued as they are made; no idempotency keys, so every bill is looked up first."""

from invoice_bridge.adapter import Named, Provider, Setting, Verbs, cannot, find
from invoice_bridge.core.idempotency import Idempotency
from invoice_bridge.core.wire import bearer

from . import bills, fields, shapes, tables, verbs, webhooks

LAGO = Provider(
    name=tables.NAME,
    title="Lago",
    reviewed="2026-11",
    api_version="v1",
    base_url=tables.base_url,
    auth=bearer,
    headers=lambda _settings: {},
    form=None,
    idempotency=Idempotency.no_keys(tables.NO_KEYS),
    rate=tables.RATE,
    settings=(
        Setting("add_on", "code of the add-on that every line bills", required=True, read=tables.read_code),
        Setting("region", 'where the account is: "us" or "eu"', default="us", read=tables.read_region),
    ),
    mode=lambda _key, _settings, _base_url: None,  # a key is a UUID, and says nothing of a mode
    sources=tables.SOURCES,
    statuses=tables.STATUSES,
    transitions=tables.TRANSITIONS,
    fields=fields.FIELDS,
    verb_fields=fields.VERB_FIELDS,
    errors=tables.ERRORS,
    limits=tables.LIMITS,
    money=tables.MONEY,
    redactions=tables.REDACTIONS,
    flows=Verbs(
        one_time_charge=bills.charge,
        period_invoice=bills.period,
        find=find,
        retrieve=verbs.retrieve,
        list=verbs.page,
        pdf=cannot(
            "this example does not download documents, which Lago makes when asked",
            source=f"{tables.OPENAPI}/resources",
        ),
        finalize=verbs.finalize,
        pay=verbs.collect,
        pay_part=cannot(
            "the request that retries a payment takes no amount",
            source=tables.RETRY,
        ),
        mark_paid=verbs.mark_paid,
        record_payment=cannot(
            "this example does not record parts of a payment, which Lago's payments can",
            source=f"{tables.OPENAPI}/resources",
        ),
        refund=cannot(
            "this example makes no credit notes, by which Lago refunds",
            source=f"{tables.OPENAPI}/resources",
        ),
        credit=cannot(
            "this example makes no credit notes, which Lago has",
            source=f"{tables.OPENAPI}/resources",
        ),
        void=verbs.void,
        mark_uncollectible=cannot(
            "an invoice cannot be given up: lose_dispute records a lost payment dispute, which is another thing",
            source=f"{tables.OPENAPI}/resources/invoice_lose_dispute.yaml",
        ),
        update=verbs.update,
        delete=cannot(
            "the request that deletes a draft could not be confirmed; delete it in the dashboard",
            source=f"{tables.OPENAPI}/schemas/InvoiceBaseObject.yaml mentions one, no path at hand describes it",
        ),
        send_invoice=cannot(
            "invoices are mailed by the e-mail settings of the billing entity, as they are finalized",
            source="lago-api, app/services/invoices/create_one_off_service.rb, should_deliver_email?",
        ),
    ),
    parse=shapes.invoice,
    shape=shapes.INVOICE,
    refusal=shapes.refusal,
    invoice_id=shapes.invoice_id,
    reference_in=shapes.reference_in,
    webhooks=webhooks.WEBHOOKS,
    emulator=Named(f"{__name__}.emulator:LagoEmulator"),
)
