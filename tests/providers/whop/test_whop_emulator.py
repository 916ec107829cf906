"""The emulator refuses what Whop's documentation refuses: versions, bodies, repeated keys."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.providers.whop.emulator import WhopEmulator

ROOT = "http://127.0.0.1:1"
VERSION = "2026-10-15-1"


def send(
    emulator: WhopEmulator,
    method: str,
    path: str,
    body: Any = None,
    *,
    version: str | None = VERSION,
    key: str | None = None,
) -> Response:
    headers = {"Authorization": f"Bearer {emulator.key}"}
    headers |= {} if version is None else {"Api-Version-Date": version}
    headers |= {} if key is None else {"Idempotency-Key": key}
    content = b"" if body is None else body if isinstance(body, bytes) else dumps(body)
    return emulator(Request(method, ROOT + path, headers, content), ROOT)


def bill(**changes: Any) -> dict[str, Any]:
    body = {
        "account_id": "biz_42",
        "collection_method": "send_invoice",
        "product": {"title": "Fees"},
        "plan": {"plan_type": "one_time", "initial_price": 20, "currency": "eur"},
        "line_items": [{"label": "Fees", "unit_price": 10, "quantity": 2}],
        "member_id": "mber_42",
        "due_date": "2026-12-01T00:00:00.000Z",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not ...}


def error(answer: Response) -> tuple[int, str | None, str | None]:
    told = object_of(answer)["error"]
    return answer.status, told.get("code"), told.get("param")


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("version", [None, "2026-10-24", "2026-11-02-1"])
def test_without_a_legacy_version_another_api_answers(version: str | None) -> None:
    """A fresh key without the header, like any newer pin, reaches the native API: a draft with an id of its own."""
    emulator = WhopEmulator()
    assert send(emulator, "POST", "/invoices", bill(), version=version).parsed["id"] == "pay_00000001"
    assert send(emulator, "GET", "/invoices", version=version).parsed["data"] == []
    assert send(emulator, "GET", "/invoices/inv_1", version=version).status == 404
    assert (emulator.invoices, emulator.ledger) == ({}, [])


def test_an_unknown_version_lists_the_known_ones() -> None:
    """An unknown date is a 400 that names the supported ones."""
    answer = send(WhopEmulator(), "GET", "/invoices", version="2026-10-16")
    assert error(answer) == (400, None, "Api-Version-Date")
    assert "2026-10-15-1" in object_of(answer)["error"]["message"]


def test_the_account_is_named_by_the_version() -> None:
    """company_id up to 2026-09-02-1, account_id from 2026-09-02-2, in bodies and in listings."""
    emulator = WhopEmulator()
    old = bill(account_id=..., company_id="biz_42")
    assert send(emulator, "POST", "/invoices", old, version="2026-09-02-1").status == 200
    assert error(send(emulator, "POST", "/invoices", old))[0] == 400
    assert error(send(emulator, "POST", "/invoices", bill(), version="2026-09-02-1"))[0] == 400
    assert send(emulator, "GET", "/invoices?company_id=biz_42").status == 400
    assert send(emulator, "GET", "/invoices?company_id=biz_42", version="2026-09-02-1").status == 200


def test_the_key_is_checked_first() -> None:
    """A wrong key is 401 whatever the version says."""
    request = Request("GET", f"{ROOT}/invoices", {"Authorization": "Bearer nobody"})
    assert WhopEmulator()(request, ROOT).status == 401


def test_the_root_may_carry_the_api_path() -> None:
    """The official SDK is pointed at …/api/v1; both roots are the same API."""
    emulator = WhopEmulator()
    assert send(emulator, "POST", "/api/v1/invoices", bill()).status == 200
    assert send(emulator, "GET", "/invoices/inv_00000001").status == 200
    assert send(emulator, "GET", "/nothing/here").status == 404


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "changes,param",
    [
        ({"account_id": ...}, "account_id"),
        ({"collection_method": ...}, "collection_method"),
        ({"collection_method": "by_pigeon"}, "collection_method"),
        ({"product_id": "prod_42"}, "product"),
        ({"product": ...}, "product"),
        ({"product": {"title": ""}}, "product.title"),
        ({"plan": ...}, "plan"),
        ({"plan": {"initial_price": "20"}}, "plan.initial_price"),
        ({"plan": {"initial_price": -1}}, "plan.initial_price"),
        ({"plan": {"currency": "EUR", "initial_price": 20}}, "plan.currency"),
        ({"plan": {"currency": "isk", "initial_price": 20}}, "plan.currency"),
        ({"plan": {"expiration": 1, "initial_price": 20}}, "plan.expiration"),
        ({"plan": {"plan_type": "renewal", "initial_price": 20}}, "plan.plan_type"),
        ({"line_items": [{"label": "x", "unit_price": 19}]}, "line_items"),
        ({"line_items": [{"unit_price": 20}]}, "line_items[0].label"),
        ({"line_items": [{"label": "x", "unit_price": "20"}]}, "line_items[0].unit_price"),
        ({"line_items": [{"label": "x", "unit_price": 20, "amount": 20}]}, "line_items[0]"),
        ({"member_id": ...}, "email_address"),
        ({"member_id": ..., "email_address": "a@example.test"}, "customer_name"),
        ({"email_address": "a@example.test", "customer_name": "A"}, "member_id"),
        ({"due_date": ...}, "due_date"),
        ({"due_date": 1764547200}, "due_date"),
        ({"collection_method": "charge_automatically"}, "payment_method_id"),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"period_start": "2026-05-01"}, "period_start"),
        ({"subscription_billing_anchor_at": "2026-12-01T00:00:00Z"}, "subscription_billing_anchor_at"),
    ],
)
def test_bodies_that_the_documentation_rules_out(changes: dict[str, Any], param: str) -> None:
    """Each rule of the create request refuses with the name of the field, and nothing is made."""
    emulator = WhopEmulator()
    assert error(send(emulator, "POST", "/invoices", bill(**changes)))[::2] == (400, param)
    assert (emulator.invoices, emulator.ledger) == ({}, [])


@pytest.mark.parametrize(
    "changes,status",
    [
        ({"account_id": "biz_43"}, 403),
        ({"member_id": "mber_43"}, 404),
        ({"product": ..., "product_id": "prod_43"}, 404),
        ({"collection_method": "charge_automatically", "payment_method_id": "pmt_43"}, 404),
    ],
)
def test_ids_that_do_not_exist(changes: dict[str, Any], status: int) -> None:
    """Another account is forbidden; other ids are not found."""
    assert send(WhopEmulator(), "POST", "/invoices", bill(**changes)).status == status


def test_a_body_that_is_not_json() -> None:
    """The code names what is wrong."""
    assert error(send(WhopEmulator(), "POST", "/invoices", b"{")) == (400, "invalid_json", None)


def test_a_draft_needs_neither_customer_nor_due_date() -> None:
    """Drafts relax both rules; nothing is entered into the ledger."""
    emulator = WhopEmulator()
    answer = send(emulator, "POST", "/invoices", bill(member_id=..., due_date=..., save_as_draft=True))
    assert (answer.status, object_of(answer)["status"], emulator.ledger) == (200, "draft", [])


# ── repeated keys ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_repeated_key_is_replayed_byte_by_byte() -> None:
    """The same request under the same key is answered as before, marked, and makes nothing new."""
    emulator = WhopEmulator()
    first, again = (send(emulator, "POST", "/invoices", bill(), key="k") for _ in range(2))
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert len(emulator.invoices) == 1


@pytest.mark.parametrize("difference", [{"body": bill(charge_buyer_fee=True)}, {"version": "2026-10-14"}])
def test_a_key_with_another_request_or_version_is_refused(difference: dict[str, Any]) -> None:
    """Body and version are both part of what must be the same."""
    emulator = WhopEmulator()
    send(emulator, "POST", "/invoices", bill(), key="k")
    second = {"body": bill(), "version": VERSION, **difference}
    answer = send(emulator, "POST", "/invoices", second["body"], version=second["version"], key="k")
    assert error(answer) == (400, "idempotency_key_mismatch", None)


def test_refusals_are_replayed_too() -> None:
    """After a fix the old key still refuses; a day later it is forgotten."""
    clock = FakeClock()
    emulator = WhopEmulator(clock=clock)
    lacking = bill(collection_method="charge_automatically", payment_method_id="pmt_9")
    assert send(emulator, "POST", "/invoices", lacking, key="k").status == 404
    emulator.methods["pmt_9"] = "mber_42"
    assert send(emulator, "POST", "/invoices", lacking, key="k").status == 404
    clock.now += timedelta(hours=24)
    assert send(emulator, "POST", "/invoices", lacking, key="k").status == 200


def test_a_key_is_at_most_255_bytes() -> None:
    """A longer one is refused."""
    assert send(WhopEmulator(), "POST", "/invoices", bill(), key="k" * 256).status == 400


# ── states and switches ──────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("verb", ["void", "mark_paid", "mark_uncollectible", "resend"])
def test_verbs_answer_a_bare_true(verb: str) -> None:
    """The answer is the JSON true and nothing else."""
    emulator = WhopEmulator()
    send(emulator, "POST", "/invoices", bill())
    assert send(emulator, "POST", f"/invoices/inv_00000001/{verb}").content == b"true"


@pytest.mark.parametrize("open_too,status", [(True, 200), (False, 400)])
def test_switch_past_due_is_open(open_too: bool, status: int) -> None:
    """Whether a past-due invoice can be voided is not confirmed: both answers can be had."""
    clock = FakeClock()
    emulator = WhopEmulator(clock=clock, switches={"past_due_is_open": open_too})
    send(emulator, "POST", "/invoices", bill())
    clock.now = datetime(2026, 12, 2, tzinfo=UTC)
    assert send(emulator, "GET", "/invoices/inv_00000001").parsed["status"] == "past_due"
    assert send(emulator, "POST", "/invoices/inv_00000001/void").status == status


def test_switch_voids_after_120_days() -> None:
    """A page of 2025 says that long past due becomes void; off by default."""
    clock = FakeClock()
    emulators = [WhopEmulator(clock=clock, switches={"voids_after_120_days": on}) for on in (False, True)]
    for emulator in emulators:
        send(emulator, "POST", "/invoices", bill())
    clock.now = datetime(2027, 4, 2, tzinfo=UTC)
    shown = [send(emulator, "GET", "/invoices/inv_00000001").parsed["status"] for emulator in emulators]
    assert shown == ["past_due", "void"]


def test_switch_state_errors_are_422() -> None:
    """The status of a refusal by state is not documented."""
    for on, status in ((False, 400), (True, 422)):
        emulator = WhopEmulator(switches={"state_errors_are_422": on})
        send(emulator, "POST", "/invoices", bill(save_as_draft=True))
        assert send(emulator, "POST", "/invoices/inv_00000001/void").status == status


def test_switch_unknown_fields_refused() -> None:
    """Whether unknown fields are refused or ignored is not documented."""
    emulator = WhopEmulator(switches={"unknown_fields_refused": False})
    assert send(emulator, "POST", "/invoices", bill(metadata={"a": "b"})).status == 200


def test_switches_of_a_charge() -> None:
    """The due date of a charge, a declined charge, and which of two instruments is charged are not confirmed."""
    charged = bill(collection_method="charge_automatically", payment_method_id="pmt_42", due_date=...)
    assert error(send(WhopEmulator(), "POST", "/invoices", charged))[::2] == (400, "due_date")
    lax = WhopEmulator(switches={"charge_needs_due_date": False})
    assert send(lax, "POST", "/invoices", charged).parsed["status"] == "paid"
    charged = {**charged, "due_date": "2026-12-01T00:00:00.000Z"}
    declined = {**charged, "payment_method_id": "pmt_declined"}
    assert send(WhopEmulator(), "POST", "/invoices", declined).parsed["status"] == "open"
    none = WhopEmulator(switches={"declined_stays_open": False})
    assert send(none, "POST", "/invoices", declined).status == 402
    assert (none.invoices, none.ledger) == ({}, [])
    both = {**charged, "payment_method_id": "pmt_gone", "payment_token_id": "payt_42"}
    assert send(WhopEmulator(), "POST", "/invoices", both).status == 404
    assert send(WhopEmulator(switches={"payment_method_wins": False}), "POST", "/invoices", both).status == 200


def test_listings() -> None:
    """Both spellings of a list filter, the newest first, the cursor filled on the last page, a part of the invoice."""
    emulator = WhopEmulator()
    for draft in (True, False, True):
        send(emulator, "POST", "/invoices", bill(save_as_draft=draft))
    drafts = send(emulator, "GET", "/invoices?account_id=biz_42&statuses[]=draft&statuses[]=open&first=2").parsed
    assert [item["id"] for item in drafts["data"]] == ["inv_00000003", "inv_00000002"]
    assert drafts["page_info"]["has_next_page"] is True
    last = send(emulator, "GET", f"/invoices?after={drafts['page_info']['end_cursor']}").parsed
    assert [item["id"] for item in last["data"]] == ["inv_00000001"]
    assert last["page_info"] == {
        "start_cursor": "after_inv_00000001",
        "end_cursor": "after_inv_00000001",
        "has_next_page": False,
        "has_previous_page": True,
    }
    assert not {"collection_method", "member", "payment", "product", "updated_at"} & set(last["data"][0])
    one = WhopEmulator(switches={"one_status_filters": True})
    for draft in (True, False):
        send(one, "POST", "/invoices", bill(save_as_draft=draft))
    filtered = send(one, "GET", "/invoices?statuses=draft&statuses=open").parsed
    assert [item["id"] for item in filtered["data"]] == ["inv_00000002"]


def test_a_patch_clears_with_null_and_checks_the_sum_again() -> None:
    """A draft keeps what PATCH does not name, and cannot be brought out of balance."""
    emulator = WhopEmulator()
    send(emulator, "POST", "/invoices", bill(save_as_draft=True))
    path = "/invoices/inv_00000001"
    assert send(emulator, "PATCH", path, {"due_date": None}).parsed["due_date"] is None
    assert error(send(emulator, "PATCH", path, {"plan": {"initial_price": 30}}))[::2] == (400, "line_items")
    assert error(send(emulator, "PATCH", path, {"save_as_draft": False}))[::2] == (400, "save_as_draft")
    changed = send(emulator, "PATCH", path, {"plan": {"initial_price": 30}, "line_items": []}).parsed
    assert changed["line_items"] == []
    assert send(emulator, "GET", "/plans/plan_00000001").parsed["initial_price_due"]["amount"] == "30.00"


def test_the_saved_methods_of_a_member_are_listed() -> None:
    """Without the tokens of a checkout, and without those of others."""
    emulator = WhopEmulator()
    emulator.seed_customer("mber_7", email=None, name=None)
    emulator.seed_payment_method("pmt_7", "mber_7")

    def listed(path: str) -> tuple[list[str], bool]:
        body = object_of(send(emulator, "GET", path))
        return [row["id"] for row in body["data"]], body["page_info"]["has_next_page"]

    everything = ["pmt_42", "pmt_declined", "pmt_unrefundable"]
    assert listed("/payment_methods?member_id=mber_42") == (everything, False)
    assert listed("/payment_methods?member_id=mber_42&first=1") == (everything[:1], True)
    assert listed("/payment_methods?member_id=mber_7") == (["pmt_7"], False)
    assert send(emulator, "GET", "/payment_methods?member=mber_7").status == 400
