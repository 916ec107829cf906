"""Every command against a served emulator: what it prints, and its exit code."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from invoice_bridge import Invoice, Money, Status, providers
from invoice_bridge.emulator.server import Served
from invoice_bridge.matrix import VERBS
from tests.cli.conftest import EXAMPLES, KEY, Done

Cli = Callable[..., Done]
CHARGE = str(EXAMPLES / "one-time-charge.json")


def test_a_bill_is_created_and_shown(stripe: Cli) -> None:
    """An aligned summary for a person: our words, exact amounts, nothing on stderr."""
    done = stripe("create", CHARGE)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line for line in lines[:5] if not line.startswith("number")] == [
        "stripe invoice  in_00000001",
        "status          open",
        "customer        cus_42 <someone@example.test>",
        "reference       res-2026-05-17",
    ]
    assert "created         2026-11-02 09:00 UTC" in lines
    assert "Reservation fees         1  19.99 EUR  19.99 EUR" in lines
    assert lines[-1] == "remaining     19.99 EUR"
    shown = stripe("show", "in_00000001").out.splitlines()
    assert [line for line in shown if line not in lines] == ["refunded       0.00 EUR"]  # its payments are read too
    assert [line for line in shown if line in lines] == lines


def test_json_is_the_invoice(stripe: Cli) -> None:
    """--json prints one document that reads back as the very invoice, and nothing else."""
    done = stripe("create", CHARGE, "--json")
    invoice = Invoice.model_validate_json(done.out)
    assert (done.code, done.err) == (0, "")
    assert (invoice.total, invoice.status) == (Money(1999, "EUR"), Status.OPEN)
    shown = Invoice.model_validate_json(stripe("show", invoice.id, "--json").out)
    whole = {"payments_complete": True, "payment_pending": False, "amount_refunded": Money.zero("EUR")}
    assert shown == invoice.model_copy(update=whole)  # its payments are read too: there is none


TAXED = """
command = "one_time_charge"
reference = "res-7"
customer = "cus_42"

[[lines]]
description = "Book"
amount = "19.99 EUR"
taxes = [{ name = "VAT", rate = "7" }]

[[lines]]
description = "Toy"
quantity = "3"
unit_amount = "3.33 EUR"
taxes = [{ name = "VAT", rate = "19" }]
"""


def test_a_bill_file_states_the_tax_rate_of_each_line(cli: Cli, stripe: Cli, served: Served, tmp_path: Path) -> None:
    """What is explained is billed: 7 % of 19.99 and 19 % of 9.99 on top. Another rate is another bill."""
    bill = tmp_path / "bill.toml"
    bill.write_text(TAXED, "utf-8")
    shown = cli("explain", str(bill), "--provider", "stripe").out
    assert "lines[1].tax_amounts[0].amount                      190" in shown
    done = stripe("create", str(bill), "--json")
    assert done.code == 0
    invoice = json.loads(done.out)
    assert [invoice[name]["minor"] for name in ("subtotal", "tax", "total")] == [2998, 330, 3328]
    bill.write_text(TAXED.replace('rate = "7"', 'rate = "19"'), "utf-8")
    assert stripe("create", str(bill)).code != 0
    bill.write_text(TAXED.replace('rate = "7"', 'rate = "170"'), "utf-8")
    refused = stripe("create", str(bill))
    assert refused.code == 2
    assert "a rate is a percentage of 0 to 100" in refused.err
    assert [entry.event for entry in served.emulators["stripe"].ledger] == ["issued"]


def test_the_same_reference_bills_once(stripe: Cli, served: Served) -> None:
    """A repeated command gives the same invoice, and the ledger has one line."""
    assert stripe("create", CHARGE).out == stripe("create", CHARGE).out
    assert len(served.emulators["stripe"].ledger) == 1


def test_resolve_says_by_its_exit_code_what_became_of_a_bill(stripe: Cli) -> None:
    """1 where no invoice carries the reference, 3 while one may still appear, 0 where it is found."""
    long_ago, now = "2026-11-01", datetime.now(UTC).isoformat()
    absent, early = stripe("resolve", CHARGE, "--since", long_ago), stripe("resolve", CHARGE, "--since", now)
    assert (absent.code, absent.out.split()[:2], absent.err) == (1, ["state", "absent"], "")
    assert (early.code, early.out.split()[:2], early.err) == (3, ["state", "too_early"], "")
    made = json.loads(stripe("create", CHARGE, "--json").out)
    found = stripe("resolve", CHARGE, "--since", long_ago, "--json")
    assert (found.code, json.loads(found.out)["state"]) == (0, "found")
    assert [invoice["id"] for invoice in json.loads(found.out)["invoices"]] == [made["id"]]


def test_a_draft_goes_through_its_life(stripe: Cli, tmp_path: Path) -> None:
    """update, finalize, mark-uncollectible and void, each printing where the invoice stands."""
    draft = tmp_path / "draft.json"
    draft.write_text(json.dumps(json.loads(Path(CHARGE).read_text("utf-8")) | {"draft": True}), "utf-8")

    def status(*arguments: str) -> str:
        return str(json.loads(stripe(*arguments, "--json").out)["status"])

    assert status("create", str(draft)) == "draft"
    updated = json.loads(stripe("update", "in_00000001", "--description", "Fees", "--metadata", "a=b", "--json").out)
    assert (updated["description"], updated["metadata"]) == ("Fees", {"a": "b"})
    assert status("finalize", "in_00000001") == "open"
    assert status("mark-uncollectible", "in_00000001") == "uncollectible"
    assert status("void", "in_00000001") == "void"


def test_an_invoice_is_paid_as_expected_or_not_at_all(stripe: Cli, served: Served) -> None:
    """Another figure than expected is a difference, exit code 1, and nothing is collected."""
    stripe("create", CHARGE)
    refused = stripe("pay", "in_00000001", "--expect", "20.00 EUR")
    assert (refused.code, refused.out) == (1, "")
    assert (
        refused.err
        == "invoice-bridge: expected 20.00 EUR to be still to pay on in_00000001, but the provider says 19.99 EUR\n"
    )
    assert [entry.event for entry in served.emulators["stripe"].ledger] == ["issued"]
    assert "remaining      0.00 EUR" in stripe("pay", "in_00000001", "--expect", "19.99 EUR").out
    again = stripe("pay", "in_00000001")
    assert (again.code, again.out) == (3, "")
    assert again.err == "invoice-bridge: stripe: in_00000001 cannot be paid: the invoice is paid\n"


def test_the_other_verbs_work(stripe: Cli) -> None:
    """mark-paid, delete and send print the invoice as it stands."""
    stripe("create", CHARGE)
    assert "status          paid" in stripe("mark-paid", "in_00000001").out
    stripe("create", str(EXAMPLES / "one-time-charge.toml"))
    sent = stripe("send", "in_00000002")
    assert sent.code == 0
    assert "collection      send, due 2026-11-16 09:00 UTC" in sent.out
    refused = stripe("delete", "in_00000002")
    assert refused.code == 3
    assert "the invoice is open" in refused.err


def test_money_is_recorded_collected_credited_and_given_back(stripe: Cli, served: Served) -> None:
    """Each with a reference; repeated, it prints the invoice again and does nothing."""
    stripe("create", CHARGE)
    wired = ("record-payment", "in_00000001", "--amount", "5.00 EUR", "--at", "2026-10-01", "--reference", "wire-1")
    assert "remaining     14.99 EUR" in stripe(*wired, "--method", "bank transfer").out
    assert "remaining     14.99 EUR" in stripe(*wired).out
    part = ("pay", "in_00000001", "--amount", "4.99 EUR", "--reference", "part-1", "--payment-method", "pm_7")
    assert "remaining     10.00 EUR" in stripe(*part).out
    assert stripe(*part).code == 0
    credited = ("credit", "in_00000001", "--amount", "1.00 EUR", "--reference", "cn-1", "--reason", "as agreed")
    assert "remaining      9.00 EUR" in stripe(*credited, "--expect", "0.00 EUR").out
    line = json.loads(stripe("show", "in_00000001", "--json").out)["lines"][0]["id"]
    stripe("credit", "in_00000001", "--line", f"{line}=2.00 EUR", "--reference", "cn-2")
    stripe("pay", "in_00000001", "--expect", "7.00 EUR")
    back = ("refund", "in_00000001", "--amount", "2.50 EUR", "--reference", "re-1", "--reason", "duplicate")
    assert "refunded       2.50 EUR" in stripe(*back).out
    assert "refunded       2.50 EUR" in stripe(*back).out
    assert stripe("refund", "in_00000001", "--reference", "re-2", "--expect", "0.00 EUR").code == 1
    events = [(entry.event, entry.units) for entry in served.emulators["stripe"].ledger]
    assert events == [
        ("issued", 1999),
        ("recorded", 500),
        ("collected", 499),
        ("credited", 100),
        ("credited", 200),
        ("collected", 700),
        ("refunded", 250),
    ]


def test_an_invoice_is_found_and_its_document_saved(stripe: Cli, tmp_path: Path) -> None:
    """By the bill's reference; the document goes into a file. What cannot be written is a setting's fault."""
    made = stripe("create", CHARGE).out
    assert stripe("find", "res-2026-05-17").out == made
    assert stripe("find", "res-2026-05-17", "--customer", "cus_42").out == made
    assert stripe("find", "res-none").code == 3
    file = tmp_path / "invoice.pdf"
    saved = stripe("pdf", "in_00000001", "--output", str(file), "--json")
    assert json.loads(saved.out) == {"file": str(file), "bytes": str(len(file.read_bytes()))}
    assert file.read_bytes().startswith(b"%PDF-")
    assert stripe("pdf", "in_00000001", "-o", str(file)).out.split()[:2] == ["file", str(file)]
    assert stripe("pdf", "in_00000001", "-o", str(tmp_path)).code == 2


def test_a_reason_that_is_not_kept_stops_a_void(stripe: Cli) -> None:
    """It is a loss; --allow accepts it."""
    stripe("create", CHARGE)
    refused = stripe("void", "in_00000001", "--reason", "wrong customer")
    assert refused.code != 0
    assert "IB-STRIPE-VOID-REASON-01" in refused.err
    assert "status          void" in stripe("void", "in_00000001", "--reason", "x", "--allow", "reason").out


def test_a_listing_is_a_table_or_an_array(stripe: Cli, tmp_path: Path) -> None:
    """One line an invoice; --json is an array of invoices, empty where there are none."""
    assert stripe("list").out == "no invoices\n"
    assert stripe("list", "--json").out == "[]\n"
    stripe("create", CHARGE)
    period = tmp_path / "period.toml"
    period.write_text((EXAMPLES / "period-invoice.toml").read_text("utf-8").replace('"acme"', '"cus_42"'), "utf-8")
    stripe("create", str(period))
    header, newest, oldest = stripe("list").out.splitlines()
    assert header.split() == ["id", "number", "reference", "status", "customer", "total", "remaining", "created", "due"]
    assert newest.startswith("in_00000002  ")
    assert "19.99 EUR" in oldest
    listed = [Invoice.model_validate(item) for item in json.loads(stripe("list", "--json").out)]
    assert [invoice.total for invoice in listed] == [Money(103000, "EUR"), Money(1999, "EUR")]
    assert len(json.loads(stripe("list", "--limit", "1", "--json").out)) == 1
    assert stripe("list", "--status", "paid").out == "no invoices\n"
    assert stripe("list", "--from", "2026-11-03").out == "no invoices\n"
    assert len(stripe("list", "--to", "2026-11-03", "--customer", "cus_42").out.splitlines()) == 3


def test_a_profile_of_a_file_makes_the_client(cli: Cli, served: Served, tmp_path: Path) -> None:
    """--config names the file, and its customer map is applied."""
    config = tmp_path / "billing.toml"
    config.write_text(
        f'[profiles.main]\nprovider = "stripe"\n[providers.stripe]\nbase_url = "{served.base_urls["stripe"]}"\n'
        '[customers]\nacme = { stripe = "cus_42" }\n',
        "utf-8",
    )
    bill = tmp_path / "bill.toml"
    bill.write_text('command = "one_time_charge"\nreference = "r"\ncustomer = "acme"\namount = "500 JPY"\n', "utf-8")
    done = cli("create", str(bill), "--config", str(config), "--json")
    invoice = Invoice.model_validate_json(done.out)
    assert invoice.total == Money(500, "JPY")
    assert invoice.customer is not None
    assert invoice.customer.id == "cus_42"
    mixed = cli("list", "--config", str(config), "--provider", "stripe")
    assert (mixed.code, mixed.err) == (2, "invoice-bridge: --provider cannot go with --config: the profile states it\n")


def test_a_plan_is_explained_without_a_key(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, JSON and curl for one provider; with "all", for every one of them."""
    monkeypatch.delenv("STRIPE_API_KEY")
    text = cli("explain", CHARGE, "--provider", "stripe")
    assert text.code == 0
    assert "POST https://api.stripe.com/v1/invoices" in text.out
    plan = json.loads(cli("explain", CHARGE, "--provider", "stripe", "--json").out)
    assert [request["method"] for request in plan["requests"]] == ["GET", "POST", "POST", "POST"]
    assert json.loads(cli("explain", CHARGE, "--provider", "stripe", "--format", "json").out) == plan
    assert cli("explain", CHARGE, "--provider", "stripe", "--format", "curl").out.count("curl ") == 4
    every = json.loads(cli("explain", CHARGE, "--provider", "all", "--set", "site=acme", "--json").out)
    assert [plan["provider"] for plan in every] == list(providers.names())
    assert every[0]["refusal"].startswith("ChargeAPI accepts no amount")
    assert "https://acme.chargebee.com/api/v2/invoices" in every[1]["requests"][0]["url"]
    assert "\033[" not in cli("explain", CHARGE, "--provider", "all").out


def test_losses_are_listed_and_exit_with_one(cli: Cli, tmp_path: Path) -> None:
    """A loss that would stop the bill is a difference; a bill that is carried whole is none."""
    whole = cli("losses", CHARGE, "--provider", "stripe")
    assert (whole.code, whole.out) == (0, "stripe carries this bill whole\n")
    lossy = cli("losses", CHARGE, "--provider", "chargeapi")
    assert lossy.code == 1
    assert "changes_money: [IB-CHARGEAPI-AMOUNT-01] ($.amount)" in lossy.out
    found = json.loads(cli("losses", CHARGE, "--provider", "chargeapi", "--json").out)
    assert "IB-CHARGEAPI-AMOUNT-01" in {loss["code"] for loss in found}


def test_a_lossy_bill_is_refused_unless_it_is_allowed(stripe: Cli, served: Served, tmp_path: Path) -> None:
    """Exit code 1, the losses on stderr and nothing sent; --allow names the loss."""
    bill = tmp_path / "bill.toml"
    bill.write_text(
        'command = "one_time_charge"\nreference = "r"\ncustomer = "cus_42"\n'
        '[[lines]]\ndescription = "Trips"\nquantity = 2.5\namount = "10.00 EUR"\n',
        "utf-8",
    )
    refused = stripe("create", str(bill))
    assert (refused.code, refused.out) == (1, "")
    assert "[IB-STRIPE-QUANTITY-01]" in refused.err
    assert served.emulators["stripe"].requests == 0
    allowed = stripe("create", str(bill), "--allow", "lines[].quantity")
    assert allowed.code == 0
    assert "loses [IB-STRIPE-QUANTITY-01]" in allowed.out
    wrong = stripe("create", str(bill), "--allow", "quantity")
    assert wrong.code == 2
    assert "allow names 'quantity'" in wrong.err


@pytest.mark.parametrize("name", providers.names())
def test_a_provider_is_printed_from_its_tables(cli: Cli, name: str) -> None:
    """Every verb, status and loss code stands there, in text and in JSON."""
    shown = json.loads(cli("providers", name, "--json").out)
    text = cli("providers", name)
    assert text.code == 0
    assert shown["api_version"] == providers.get(name).api_version
    assert set(shown["verbs"]) >= {"one_time_charge", "period_invoice", "void", "list"}
    assert all(verb["reason"] and verb["source"] for verb in shown["verbs"].values() if verb["state"] == "cannot")
    for word in [*shown["verbs"], *shown["statuses"], *(loss["code"] for loss in shown["losses"])]:
        assert word in text.out
    assert "EUR" in shown["currencies"]


def test_the_matrix_has_a_row_a_verb_and_a_column_a_provider(cli: Cli) -> None:
    """A row for each verb by four columns; a verb that a provider does not have is a dash, and its page says why."""
    header, *rows, account = cli("providers").out.split("\n\n")[0].splitlines()
    assert header.split() == ["verb", "ChargeAPI", "Chargebee", "Stripe", "Whop"]
    assert [row.split()[0] for row in rows] == list(VERBS)
    assert (account.split()[:2], account.count("not recorded live")) == (["test", "account"], 4)
    assert {row.split()[0] for row in rows if row.endswith("–")} == {
        *("finalize", "pay", "pay_part", "record_payment", "credit", "pdf"),
    }
    assert [provider["name"] for provider in json.loads(cli("providers", "--json").out)] == list(providers.names())
    assert "no call finalizes a legacy draft" in cli("providers", "whop").out


def test_a_bill_is_seen_at_all_providers_side_by_side(cli: Cli) -> None:
    """One table: what the bill does at each provider, by which requests, and what is lost there."""
    shown = cli("explain", CHARGE, "--provider", "all").out
    titles, *rest = shown.strip().splitlines()
    assert titles.split() == ["ChargeAPI", "Chargebee", "Stripe", "Whop"]
    assert "refused: ChargeAPI accepts no amount" in " ".join(shown.split())
    assert "IB-CHARGEBEE-MAIL-01" in "".join(rest)


def test_a_payload_is_decoded(cli: Cli, tmp_path: Path) -> None:
    """The provider's own JSON becomes the neutral invoice; what is not one is a bad file."""
    payload = tmp_path / "invoice.json"
    payload.write_text(
        '{"id": "in_1", "object": "invoice", "status": "open", "currency": "jpy", "total": 500}', "utf-8"
    )
    done = cli("decode", str(payload), "--provider", "stripe", "--json")
    assert Invoice.model_validate_json(done.out).total == Money(500, "JPY")
    assert "500 JPY" in cli("decode", str(payload), "--provider", "stripe").out
    payload.write_text("[1]", "utf-8")
    bad = cli("decode", str(payload), "--provider", "stripe")
    assert (bad.code, bad.err) == (2, f"invoice-bridge: {payload}: an invoice is a JSON object, not list\n")


def test_what_a_provider_says_cannot_reach_the_terminal(cli: Cli, tmp_path: Path) -> None:
    """Escape sequences, line ends, right-to-left marks and markup in a description are shown as plain text."""
    payload = tmp_path / "invoice.json"
    nasty = "\x1b[31m[bold]red[/bold]\n\u202eevil :smile: \ud800"
    payload.write_text(json.dumps({"id": "in_1", "status": "open", "currency": "eur", "description": nasty}), "utf-8")
    done = cli("decode", str(payload), "--provider", "stripe")
    assert done.code == 0
    assert "description     [31m[bold]red[/bold] evil :smile:" in done.out
    assert "\x1b" not in done.out


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty directory to work in."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "arguments,code,told",
    [
        (["shw"], 2, "No such command 'shw'"),
        (["--bla"], 2, "No such option: --bla"),
        (["show"], 2, "Missing argument 'ID'; see invoice-bridge show --help"),
        (["show", "in_1"], 2, "name a provider: write --config FILE, or --provider NAME and its settings"),
        (["show", "in_1", "--profile", "x"], 2, "--profile needs --config FILE"),
        (["show", "in_1", "--config", "none.toml"], 2, "none.toml: there is no such file"),
        (["show", "in_1", "--provider", "strip"], 2, "there is no provider 'strip'; did you mean 'stripe'?"),
        (["show", "in_1", "--provider", "stripe", "--mode", "x"], 2, "--mode is test or live, not 'x'"),
        (["show", "in_1", "--provider", "stripe", "--mode", "live"], 2, "--mode live was asked for"),
        (["show", "in_1", "--provider", "stripe", "--set", "acount=1"], 2, "has no setting 'acount'; did you mean"),
        (["show", "in_1", "--provider", "stripe", "--set", "account"], 2, "write --set name=value"),
        (["show", "in_1", "--provider", "stripe", "--base-url", "http://example.com"], 2, "over plain http"),
        (["show", "in_1", "--provider", "stripe", "--key-env", "NO_KEY"], 2, "the environment variable NO_KEY"),
        (["show", "in_1", "--provider", "whop", "--key-env", "STRIPE_API_KEY"], 2, "Whop needs the setting account_id"),
        (["pay", "in_1", "--provider", "stripe", "--expect", "1"], 2, "--expect: '1' is not an amount"),
        (["list", "--provider", "stripe", "--status", "late"], 2, "'late' is not one of 'draft', 'open', 'paid'"),
        (["list", "--provider", "stripe", "--limit", "0"], 2, "Invalid value for '--limit'"),
        (["update", "in_1", "--provider", "stripe"], 2, "an update must change something"),
        (["explain", "none.json", "--provider", "all"], 2, "none.json: there is no such file"),
        (["decode", ".", "--provider", "stripe"], 2, ".: it is a directory, not a file"),
        (["emulate", "--port", "70000"], 2, "Invalid value for '--port'"),
    ],
)
def test_misuse_is_one_clear_line(cli: Cli, empty: None, arguments: list[str], code: int, told: str) -> None:
    """On stderr, with the exit code of its kind; nothing on stdout, no key anywhere."""
    done = cli(*arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert done.err.startswith("invoice-bridge: ")
    assert done.err.count("\n") == 1
    assert KEY not in done.err


def test_help_names_the_exit_codes(cli: Cli) -> None:
    """--help says what each means, and every command has a line."""
    done = cli("--help")
    assert done.code == 0
    for word in ("Exit codes: 0 done.", "demo", "providers", "explain", "decode", "emulate", "mark-uncollectible"):
        assert word in done.out


def test_the_version_is_the_distributions(cli: Cli) -> None:
    """--version prints it."""
    assert cli("--version").out.startswith("invoice-bridge 0.")


def test_defect_60_what_could_not_be_read_is_shown(cli: Cli, tmp_path: Path) -> None:
    """Defect 60: an invoice with an odd line, and one without a currency, are shown; each problem has its line."""
    payload = tmp_path / "odd.json"
    rows = [{"amount": 500, "description": "Stay"}, {"amount": "5"}]
    odd = {"id": "in_1", "object": "invoice", "currency": "eur", "status": "open", "lines": {"data": rows}}
    payload.write_text(json.dumps(odd), "utf-8")
    shown = cli("decode", str(payload), "--provider", "stripe")
    assert shown.code == 0
    assert "  … and more lines, which are not here" in shown.out.splitlines()
    assert "not read: lines.data[1].amount is no whole number of units: '5'" in shown.out.splitlines()
    payload.write_text(json.dumps({"id": "in_1", "object": "invoice", "deleted": True}), "utf-8")
    stub = cli("decode", str(payload), "--provider", "stripe")
    assert (stub.code, stub.out.splitlines()[:2]) == (0, ["stripe invoice  in_1", "status          deleted"])
    payload.write_text(json.dumps(odd | {"currency": "btc"}), "utf-8")
    coin = cli("decode", str(payload), "--provider", "stripe")
    assert "not read: currency cannot be read: 'BTC' is not an ISO 4217 currency code" in coin.out.splitlines()
