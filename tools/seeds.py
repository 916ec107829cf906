"""How each parameter and each response field of five pages of the providers' documentation is reached.

The pages are listed by name here; how a name is reached is read from the adapters' tables, so that the reference cannot
state what no table has. tests/test_seeds.py holds the list complete against the pages, where they are at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

from invoice_bridge import providers
from invoice_bridge.core.model import Invoice
from invoice_bridge.matrix import table


@dataclass(frozen=True)
class Page:
    """One page: its provider and address, its parameters, and the fields of its answer."""

    provider: str
    title: str
    url: str
    parameters: tuple[str, ...]
    fields: tuple[str, ...]
    is_listing: bool = False


def names(text: str) -> tuple[str, ...]:
    """The names that a text lists."""
    return tuple(text.split())


_CHARGEAPI = names(
    "id object amount_due amount_paid created currency description due_date fleet "
    "line_items.amount line_items.description line_items.quantity line_items.unit_amount "
    "metadata paid_at payment_method period_end period_start status"
)
PAGES = (
    Page(
        "chargeapi",
        "ChargeAPI: create an invoice",
        "https://docs.chargeapi.co/api-reference/invoices/create",
        ("fleet", "period_end", "period_start", "currency", "description", "metadata"),
        _CHARGEAPI,
    ),
    Page(
        "chargeapi",
        "ChargeAPI: list invoices",
        "https://docs.chargeapi.co/api-reference/invoices/list",
        ("fleet", "limit", "page", "status"),
        ("data", "next_page_url", "previous_page_url"),
        is_listing=True,
    ),
    Page(
        "chargeapi",
        "ChargeAPI: the invoice object",
        "https://docs.chargeapi.co/api-reference/invoices/object",
        (),
        _CHARGEAPI,
    ),
    Page(
        "chargebee",
        "Chargebee: create an invoice for a one-time charge",
        "https://apidocs.chargebee.com/docs/api/v2/pcv-1/invoices",
        names(
            "customer_id subscription_id currency_code amount amount_in_decimal description date_from "
            "date_to coupon_ids avalara_sale_type avalara_transaction_type avalara_service_type "
            "po_number invoice_date payment_source_id payment_initiator tax_providers_fields"
        ),
        ("invoice",),
    ),
    Page(
        "whop",
        "Whop: create an invoice",
        "https://docs.whop.com/api-reference/invoices/create-invoice",
        names(
            "account_id product member_id plan collection_method due_date customer_name email_address "
            "automatically_finalizes_at charge_buyer_fee payment_method_id payment_token_id"
        ),
        names("id created_at status number due_date email_address fetch_invoice_token current_plan user"),
    ),
)

LISTINGS = {
    ("chargeapi", "fleet"): "filter `customer`",
    ("chargeapi", "limit"): "filter `limit`",
    ("chargeapi", "page"): "`cursor`: a page's token, or its whole URL",
    ("chargeapi", "status"): "filter `status`; in ChargeAPI's own words `open` too: native `status`",
    ("chargeapi", "data"): "`Page.items`",
    ("chargeapi", "next_page_url"): "`Page.next`",
    ("chargeapi", "previous_page_url"): "`Page.previous`",
}
"""What a listing takes and gives: provider and name → how a command reaches it."""
LISTING_EVIDENCE = "`tests/providers/chargeapi/test_chargeapi_listing.py`"

UNREAD = {
    ("chargeapi", "object"): 'not read: it is "invoice" in each; it stays in `Invoice.raw`',
    (
        "whop",
        "fetch_invoice_token",
    ): "not read: anybody who has it can read the invoice. It stays in `Invoice.raw`, and recordings hide it",
}
"""Fields of an answer that no neutral field has, each with the reason."""
DERIVED = {
    "fleet": "customer.id",
    "start": "period.start",
    "end": "period.end",
    "customer_email": "customer.email",
    "customer_name": "customer.name",
}
"""What a name of a shape that is no field of an invoice becomes."""
WHOLE = {("chargebee", "invoice")}
"""Fields of an answer that hold the whole invoice."""


@dataclass(frozen=True)
class Reach:
    """How a name is reached, and what proves it."""

    how: str
    evidence: str


def _covers(path: str, name: str) -> bool:
    return path == name or path.startswith((f"{name}.", f"{name}["))


def parameter(provider: str, name: str, *, is_listing: bool = False) -> Reach:
    """Return how a parameter is reached. Raises LookupError for one that no table has."""
    if is_listing:
        return Reach(LISTINGS[provider, name], LISTING_EVIDENCE)
    declared = providers.get(provider)
    paths: list[str] = []
    constants: list[str] = []
    for row in declared.fields:
        if any(_covers(native, name) for native in row.native.split(", ") if native):
            (paths if row.path else constants).append(row.path or row.why)
    natives = [row for row in declared.natives.rows if "one_time_charge" in row.verbs and _covers(row.path, name)]
    parts = []
    if paths:
        parts.append("field " + ", ".join(f"`{path}`" for path in dict.fromkeys(paths)))
    parts += [f"constant: {why}" for why in dict.fromkeys(constants)]
    if natives:
        names = ", ".join(f"`{row.path}`" for row in natives)
        money = " (with `expect_total`)" if any(row.money for row in natives) else ""
        parts.append(f"native {names}{money}")
    if not parts:
        refused = [row for row in declared.natives.refused if row.path == name]
        if not refused:
            raise LookupError(f"{provider}: no table reaches {name}")
        return Reach(f"refused: {refused[0].why}", f"`test_a_native_row_has_a_source` of {declared.title}")
    proofs = ["`test_a_row_tells_the_truth`"] if paths or constants else []
    proofs += ["`test_a_native_row_tells_the_truth`"] if natives else []
    return Reach("; ".join(parts), f"{' and '.join(proofs)} of {declared.title}")


def field(provider: str, name: str, *, is_listing: bool = False) -> Reach:
    """Return where a field of an answer is read. Raises LookupError for one that no table has."""
    if is_listing:
        return Reach(LISTINGS[provider, name], LISTING_EVIDENCE)
    evidence = "`tests/test_seeds.py::test_a_field_of_an_answer_is_read`"
    if (provider, name) in UNREAD:
        return Reach(UNREAD[provider, name], "`tests/test_seeds.py::test_what_is_not_read_stays_in_raw`")
    if (provider, name) in WHOLE:
        return Reach("`Invoice`, whole", evidence)
    shape = providers.get(provider).shape
    assert shape is not None, f"{provider} has no shape"
    plain = name.replace(".", "[].")
    labels = [label for label, places in shape.paths.items() if any(_covers(place, plain) for place in places)]
    read = [label if label in Invoice.model_fields else DERIVED[label] for label in labels if label]
    if not read:
        raise LookupError(f"{provider}: no shape reads {name}")
    return Reach("read as " + ", ".join(f"`{label}`" for label in dict.fromkeys(read)), evidence)


def seeds_page() -> str:
    """All pages, each as two tables: its parameters and the fields of its answer."""
    parts = []
    for page in PAGES:
        parts.append(f"## {page.title}\n\nSource: <{page.url}>")
        for head, names, reach in (
            ("parameter", page.parameters, parameter),
            ("field of the answer", page.fields, field),
        ):
            if names:
                reached = {name: reach(page.provider, name, is_listing=page.is_listing) for name in names}
                rows = [[f"`{name}`", one.how, one.evidence] for name, one in reached.items()]
                parts.append(table([head, "how it is reached", "evidence"], rows))
    return "\n\n".join(parts)
