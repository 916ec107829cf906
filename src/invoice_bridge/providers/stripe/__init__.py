"""Stripe: invoices at the pinned API version, one form-encoded request per step."""

from invoice_bridge.adapter.declared import Named, Setting
from invoice_bridge.adapter.lookup import find
from invoice_bridge.adapter.provider import Provider, Verbs
from invoice_bridge.core.idempotency import Idempotency
from invoice_bridge.core.wire import bearer, form_index_inside
from invoice_bridge.providers.stripe.balances import balances
from invoice_bridge.providers.stripe.bills import charge, period
from invoice_bridge.providers.stripe.fields import FIELDS, VERB_FIELDS
from invoice_bridge.providers.stripe.import_fields import IMPORT_FIELDS
from invoice_bridge.providers.stripe.import_limits import IMPORT_LIMITS
from invoice_bridge.providers.stripe.imports import import_invoice
from invoice_bridge.providers.stripe.lookup import search
from invoice_bridge.providers.stripe.native import NATIVES
from invoice_bridge.providers.stripe.payments import collect_part, record_part
from invoice_bridge.providers.stripe.repayments import credit, pdf, refund
from invoice_bridge.providers.stripe.shapes import INVOICE, invoice, invoice_id, reference_in, refusal
from invoice_bridge.providers.stripe.tables import (
    API_VERSION,
    ERRORS,
    KEY_WINDOW,
    LIMITS,
    MONEY,
    RATE,
    REDACTIONS,
    SEARCH_RATE,
    SOURCES,
    STATUSES,
    TRANSITIONS,
    dashboard,
    headers,
    mode,
    read_account,
)
from invoice_bridge.providers.stripe.verbs import (
    collect,
    delete,
    finalize,
    mail,
    mark_uncollectible,
    record_payment,
    update,
    void,
)
from invoice_bridge.providers.stripe.webhooks import WEBHOOKS
from invoice_bridge.providers.stripe.whole import page, retrieve

STRIPE = Provider(
    name="stripe",
    title="Stripe",
    reviewed="2026-11",
    api_version=API_VERSION,
    base_url=lambda _settings: "https://api.stripe.com",
    auth=bearer,
    headers=headers,
    form=form_index_inside,
    idempotency=Idempotency(
        "Idempotency-Key",
        KEY_WINDOW,
        source="docs.stripe.com/api/idempotent_requests",
        replay_header="Idempotent-Replayed",  # well known; not found in a Stripe page
        keeps_failures=True,
    ),
    rate=RATE,
    search_rate=SEARCH_RATE,
    retry_header="Stripe-Should-Retry",
    settings=(Setting("account", "a connected account (acct_…) to act for", read=read_account),),
    scope=lambda settings: settings.get("account") or "",
    dashboard=dashboard,
    mode=mode,
    sources=SOURCES,
    statuses=STATUSES,
    transitions=TRANSITIONS,
    fields=FIELDS,
    verb_fields=VERB_FIELDS,
    import_fields=IMPORT_FIELDS,
    natives=NATIVES,
    errors=ERRORS,
    limits=LIMITS,
    import_limits=IMPORT_LIMITS,
    money=MONEY,
    redactions=REDACTIONS,
    flows=Verbs(
        one_time_charge=charge,
        period_invoice=period,
        import_invoice=import_invoice,
        find=find,
        retrieve=retrieve,
        list=page,
        pdf=pdf,
        finalize=finalize,
        pay=collect,
        pay_part=collect_part,
        mark_paid=record_payment,
        record_payment=record_part,
        refund=refund,
        credit=credit,
        void=void,
        mark_uncollectible=mark_uncollectible,
        update=update,
        delete=delete,
        send_invoice=mail,
    ),
    search=search,
    balances=balances,
    parse=invoice,
    shape=INVOICE,
    refusal=refusal,
    invoice_id=invoice_id,
    reference_in=reference_in,
    webhooks=WEBHOOKS,
    emulator=Named("invoice_bridge.providers.stripe.emulator:StripeEmulator"),
)
