"""What a profile knows for the caller: ids by provider, allowed losses, a journal; in the file and in the library."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    ALL,
    Client,
    Collection,
    ConfigurationError,
    Line,
    LossyTranslation,
    Money,
    OneTimeCharge,
    Pay,
    TaxLine,
    providers,
)
from invoice_bridge.client.caps import KEYS as CAPS
from invoice_bridge.client.config import read_profile, read_switch
from invoice_bridge.client.config_tables import PROFILE, PROVIDER, SWITCH, TOP
from invoice_bridge.client.maps import KINDS, MAPS, Maps, allowed_codes
from invoice_bridge.client.reference import KEYS
from invoice_bridge.core.bills import Bill
from invoice_bridge.core.imports import ImportInvoice
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.journal.location import Location
from invoice_bridge.journal.store import Journal
from invoice_bridge.providers.stripe import STRIPE
from tests.clients import BASE, KEY, emulated, emulated_at, no_waiting  # noqa: F401 - a fixture
from tests.databases import Place

CARDS = {"acme-card": {"stripe": "pm_42", "chargebee": "pm_cb"}, "other-card": {"whop": "payt_1"}}
PRODUCTS = {"seat": {"stripe": "prod_1"}, "seat-monthly": {"stripe": "price_1"}}
CHARGE = OneTimeCharge(
    reference="res-1",
    customer="cus_42",
    amount=Money(1999, "EUR"),
    collection=Collection.charge(payment_method="acme-card"),
)
LOSSY = OneTimeCharge(
    reference="res-1",
    customer="cus_42",
    lines=(Line(description="Seats", amount=Money(1999, "EUR"), quantity=Decimal("1.5")),),
)
CODE = "IB-STRIPE-QUANTITY-01"


# ── maps ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_payment_method_is_sent_by_its_id_and_explained_so() -> None:
    """A bill and `pay` name the caller's own card; what is explained is what is sent, at each provider."""
    client, transport = emulated(payment_methods=CARDS, lookup="never")
    assert "pm_42" in client.explain(CHARGE).requests[0].content.decode()
    assert "acme-card" not in client.explain(CHARGE).text()
    client.create(CHARGE)
    assert "default_payment_method=pm_42" in transport.sent[0].content.decode()
    opened = client.create(CHARGE.model_copy(update={"reference": "res-2", "collection": Collection.manual()}))
    client.pay(opened.id, payment_method="acme-card")
    assert transport.sent[-1].content.decode() == "payment_method=pm_42"
    other, _ = emulated_at("chargebee", payment_methods=CARDS, lookup="never")
    plan = other.explain(CHARGE)
    assert "acme-card" not in plan.text()
    assert "pm_cb" in "".join(request.content.decode() for request in plan.requests) + plan.text()


def test_products_and_prices_of_lines_are_translated() -> None:
    """Both names of a line are looked up in the one map; a line without them stays as it is."""
    line = Line(description="Seats", amount=Money(1999, "EUR"), product="seat", price="seat-monthly")
    bare = Line(description="Fee", amount=Money(1, "EUR"))
    bill = OneTimeCharge(reference="res-1", customer="cus_42", lines=(line, bare))
    translated = Maps.of("stripe", None, None, PRODUCTS).translate(bill)
    assert [(one.product, one.price) for one in translated.lines] == [("prod_1", "price_1"), (None, None)]
    assert Maps.of("stripe", None, None, None).translate(bill) is bill


@pytest.mark.parametrize(
    "settings,command,problem",
    [
        (
            {"payment_methods": {"acme-cart": {}}},
            CHARGE,
            "payment method map has no 'acme-card'; did you mean 'acme-cart'?",
        ),
        ({"payment_methods": {"x": {}}}, CHARGE, "payment method map has no 'acme-card'; add it"),
        (
            {"payment_methods": {"acme-card": {"whop": "payt_1"}}},
            CHARGE,
            "map has no id of 'acme-card' at stripe: add one, as acme-card = { stripe = \"…\" }",
        ),
        ({"payment_methods": CARDS}, Pay(id="in_1", payment_method="pm_42"), "payment method map has no 'pm_42'"),
        (
            {"products": PRODUCTS},
            OneTimeCharge(
                reference="r", customer="c", lines=(Line(description="a", amount=Money(1, "EUR"), product="sea"),)
            ),
            "product map has no 'sea'; did you mean 'seat'?",
        ),
        ({"customers": {"acme": {}}}, CHARGE, "customer map has no 'cus_42'"),
    ],
)
def test_a_name_that_a_map_lacks_is_refused_before_sending(settings: Any, command: Any, problem: str) -> None:
    """It would otherwise be sent as an id: somebody else's, at worst."""
    client, transport = emulated(lookup="never", **settings)

    def send() -> object:
        if isinstance(command, OneTimeCharge):
            return client.create(command)
        return client.pay(command.id, payment_method=command.payment_method)

    with pytest.raises(ConfigurationError, match=re.escape(problem)) as caught:
        send()
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        client.explain(command)
    assert (caught.value.outcome, transport.sent) == ("nothing_done", [])


def test_a_map_that_is_changed_later_changes_no_client() -> None:
    """The client keeps copies."""
    cards = {"acme-card": {"stripe": "pm_42"}}
    client, _ = emulated(payment_methods=cards, lookup="never")
    cards["acme-card"]["stripe"] = "pm_other"
    assert "pm_42" in client.explain(CHARGE).requests[0].content.decode()


# ── allowed losses ───────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("allow", [[CODE], (CODE, "IB-WHOP-QUANTITY-01"), {"one_time_charge": [CODE]}])
def test_an_allowed_code_stops_no_bill(allow: Any) -> None:
    """By code, for every bill or for its kind; the loss is still reported, and `explain` says that it is allowed."""
    client, _ = emulated(allow=allow, lookup="never")
    assert [loss.code for loss in client.losses(LOSSY)] == [CODE]
    assert f"warns (allowed): [{CODE}]" in client.explain(LOSSY).text()
    assert [loss.code for loss in client.create(LOSSY).losses] == [CODE]


@pytest.mark.parametrize("allow", [None, [], ["IB-WHOP-QUANTITY-01"], {"period_invoice": [CODE]}])
def test_what_is_not_allowed_stops_the_bill(allow: Any) -> None:
    """A code of another provider, or of the other kind of bill, allows nothing here."""
    client, transport = emulated(allow=allow, lookup="never")
    with pytest.raises(LossyTranslation):
        client.create(LOSSY)
    assert transport.sent == []
    assert client.create(LOSSY, allow=["lines[].quantity"]).reference == "res-1"


def test_a_loss_that_changes_money_is_allowed_by_its_own_code_alone() -> None:
    """With every other code of all providers allowed it is refused; with its own the bill is made."""
    tax = TaxLine(name="VAT", amount=Money(319, "EUR"), inclusive=True)
    line = Line(description="Seats", amount=Money(1999, "EUR"), taxes=(tax,))
    bill = OneTimeCharge(reference="res-1", customer="cus_42", lines=(line,))
    everything = {row.code for name in providers.names() for row in providers.get(name).fields if row.code}
    client, transport = emulated(allow=everything, lookup="never")
    money = {loss.code for loss in client.losses(bill) if loss.severity.value == "changes_money"}
    assert money == {"IB-STRIPE-LINE-TAX-01"}
    strict, _ = emulated(allow=everything - money, lookup="never")
    for allow in ((), ALL):
        with pytest.raises(LossyTranslation):
            strict.create(bill, allow=allow)
    assert client.create(bill).reference == "res-1"
    assert transport.emulator.ledger[0].event == "issued"


@pytest.mark.parametrize(
    "allow,problem",
    [
        (CODE, "allow: it must be a list of codes"),
        ([7], "allow: it must have codes as texts"),
        (["metadata"], "allow: 'metadata' is not the code of a loss"),
        (
            ["IB-STRIPE-METADATA-1"],
            "'IB-STRIPE-METADATA-1' is not the code of a loss: the nearest are IB-STRIPE-METADATA-01",
        ),
        (["changes_money"], "allow each loss by its own code, above all one that changes money"),
        (["ALL"], "allow each loss by its own code"),
        ({"one_time": [CODE]}, "'one_time' is no kind of bill: did you mean one_time_charge?"),
        ({"period_invoice": CODE}, "period_invoice: it must be a list of codes"),
    ],
)
def test_an_allow_that_means_nothing_is_refused(allow: Any, problem: str) -> None:
    """A code that does not exist, a path, a class of losses: each with what to write."""
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        emulated(allow=allow)


def test_the_kinds_and_maps_are_all_there_are() -> None:
    """The lists mirror the types."""
    assert set(KINDS) == {ImportInvoice.verb, *(kind.verb for kind in Bill.__subclasses__())}
    assert set(MAPS) | {"provider"} == set(Maps.__slots__)
    assert allowed_codes([CODE], Pay(id="in_1")) == frozenset()


# ── in the file ──────────────────────────────────────────────────────────────────────────────────────────────────────
WHOLE = """\
default = "main"
[profiles.main]
provider = "stripe"
journal = "bills.sqlite"
lookup = "journal"
book = "shop"
allow = { one_time_charge = ["IB-STRIPE-QUANTITY-01"] }
[profiles.live]
provider = "stripe"
journal = "postgresql://bills@db.test/main"
[profiles.live.customers]
acme = { stripe = "cus_live" }
[profiles.live.products]
seat = { stripe = "prod_live" }
[profiles.fromenv]
provider = "stripe"
journal_env = "BILLS_JOURNAL"
[customers]
acme = { stripe = "cus_42", whop = "mber_1" }
beta = { stripe = "cus_2" }
[payment_methods]
acme-card = { stripe = "pm_42" }
"""


@pytest.fixture
def billing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in a folder of its own, with the key in the environment."""
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    path = tmp_path / "billing.toml"
    path.write_text(WHOLE, "utf-8")
    return path


def test_a_profile_has_maps_allowed_losses_and_a_journal(billing: Path) -> None:
    """All of it as a client takes it; the journal's path is relative to the file."""
    read = read_profile(billing)
    assert read == {
        "provider": "stripe",
        "api_key": KEY,
        "lookup": "journal",
        "book": "shop",
        "allow": {"one_time_charge": [CODE]},
        "journal": str(billing.parent / "bills.sqlite"),
        "customers": {"acme": {"stripe": "cus_42", "whop": "mber_1"}, "beta": {"stripe": "cus_2"}},
        "payment_methods": {"acme-card": {"stripe": "pm_42"}},
    }
    http = httpx.Client(transport=EmulatorTransport(STRIPE.emulator(), BASE))
    with Client(**read, base_url=BASE, http=http) as client:
        bill = LOSSY.model_copy(update={"collection": Collection.charge(payment_method="acme-card")})
        named = OneTimeCharge.model_validate(bill.model_dump() | {"customer": "acme"})
        assert client.create(named).customer is not None
    assert [claim.book for claim in Journal(billing.parent / "bills.sqlite").claims()] == ["shop"]


def test_a_profile_has_entries_of_its_own(billing: Path) -> None:
    """An entry of the profile replaces the shared one of that name, with all its ids; the others stay."""
    read = read_profile(billing, "live")
    assert read["customers"] == {"acme": {"stripe": "cus_live"}, "beta": {"stripe": "cus_2"}}
    assert read["products"] == {"seat": {"stripe": "prod_live"}}
    assert read["journal"] == "postgresql://bills@db.test/main"


def test_a_journal_may_be_named_by_a_variable(billing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL with its password, which nothing shows; or a path, relative to the file."""
    monkeypatch.setenv("BILLS_JOURNAL", "postgresql://bills:not_a_password@db.test/main")
    journal = read_profile(billing, "fromenv")["journal"]
    assert isinstance(journal, Location)
    assert (str(journal), "not_a_password" in repr(read_profile(billing, "fromenv"))) == (
        "postgresql://bills@db.test/main",
        False,
    )
    monkeypatch.setenv("BILLS_JOURNAL", "own.sqlite")
    assert read_profile(billing, "fromenv")["journal"] == str(billing.parent / "own.sqlite")


MAIN = '[profiles.main]\nprovider = "stripe"\n'


@pytest.mark.parametrize(
    "text,fault",
    [
        (MAIN + 'allow = ["IB-NO"]', "[profiles.main] allow: 'IB-NO' is not the code of a loss"),
        (
            MAIN + 'allow = ["changes_money"]',
            "[profiles.main] allow: 'changes_money' is not the code of a loss: allow ",
        ),
        ('allow = ["IB-NO"]\n' + MAIN, "the top of the file: there is no 'allow' here; write it under a profile"),
        (MAIN + 'book = "a\\u0007"', "[profiles.main] book: it must consist of printable characters"),
        (
            MAIN + 'journal = "postgresql://bills:not_a_password@db/main"',
            "[profiles.main] journal: the file must not contain a password: put it into PGPASSWORD or ~/.pgpass, or",
        ),
        (MAIN + 'journal = "postgresql:main"', "[profiles.main] journal: the journal's URL cannot be read: write "),
        (
            MAIN + 'journal = "a.sqlite"\njournal_env = "BILLS_JOURNAL"',
            "[profiles.main]: it has both journal and journal_env: leave one of them out",
        ),
        (
            MAIN + 'journal_env = "BILLS_JOURNAL"',
            "[profiles.main]: the environment variable BILLS_JOURNAL is not set: put the path or the URL",
        ),
        (
            MAIN + 'journal_env = "postgresql://bills:not_a_password@db/main"',
            "[profiles.main] journal_env: it must name an environment variable, in capitals like BILLS_JOURNAL",
        ),
        (
            MAIN + "[payment_method]",
            "the top of the file: there is no 'payment_method' here; did you mean 'payment_methods'?",
        ),
        (MAIN + '[products]\nseat = "prod_1"', "products.seat: it must be a table, not a text"),
        (
            MAIN + '[products]\nseat = { sripe = "c" }',
            "[products] seat: there is no provider 'sripe'; did you mean 'st",
        ),
        (
            MAIN + "[profiles.main.products]\nseat = { stripe = 1 }",
            "[profiles.main.products] seat.stripe: it must be a",
        ),
        (MAIN + "[profiles.main.product]", "[profiles.main]: there is no 'product' here; did you mean 'products'?"),
    ],
)
def test_a_fault_names_the_place_and_the_nearest_name(billing: Path, text: str, fault: str) -> None:
    """Unknown names, passwords, codes that do not exist: one line each, with the file."""
    billing.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_profile(billing)
    assert str(caught.value).startswith(f"{billing}: {fault}")
    assert "not_a_password" not in str(caught.value)
    assert "\n" not in str(caught.value)


PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "billing-toml.md"


def test_the_reference_has_every_key_of_every_table() -> None:
    """What the file takes, and what its page lists, are the same."""
    tables = {
        "The top of the file": TOP,
        "`[profiles.NAME]`": PROFILE,
        "`[profiles.NAME.mcp]`": CAPS,
        "`[providers.NAME]`": PROVIDER,
        "`[switch]`": SWITCH,
    }
    assert {name: set(keys) for name, keys in KEYS.items()} == {name: set(keys) for name, keys in tables.items()}


def test_the_file_of_the_reference_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each profile of the page's block reads."""
    block, switch = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    monkeypatch.setenv("STRIPE_LIVE_KEY", KEY)
    (tmp_path / "billing.toml").write_text(block + switch, "utf-8")
    assert set(read_switch(tmp_path / "billing.toml")["at"]) == {"acme", "*"}
    main, live = (read_profile(tmp_path / "billing.toml", name) for name in ("main", "live"))
    assert (main["customers"]["acme"]["stripe"], live["customers"]["acme"]["stripe"]) == ("cus_42", "cus_live_42")
    assert live["allow"] == {"period_invoice": ["IB-WHOP-PERIOD-01", "IB-WHOP-PERIOD-03"]}
    assert live["products"] == main["products"]


# ── another key of the same account ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("provider", ["chargebee", "stripe", "whop"])
def test_a_new_key_of_the_account_bills_nothing_twice(place: Place, provider: str) -> None:
    """Keys are rotated: the journal knows the account by its settings, so the reference is the same bill."""
    client, transport = emulated_at(provider, journal=place, lookup="journal")
    emulator: Any = transport.emulator
    kind = Collection.send(due=datetime(2027, 1, 1, tzinfo=UTC)) if provider == "whop" else Collection.manual()
    bill = OneTimeCharge(reference="res-1", customer=emulator.customer, amount=Money(2500, "EUR"), collection=kind)
    first = client.create(bill)
    emulator.kept.clear()  # long after: the provider has forgotten the idempotency keys
    emulator.key = f"{emulator.key}_rotated"
    again, _ = emulated_at(provider, emulator, journal=place, lookup="journal")
    assert again._key.text.endswith("_rotated")
    assert again.create(bill).id == first.id
    assert [entry.event for entry in emulator.ledger].count("issued") == 1
