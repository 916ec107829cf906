"""verify finds each seeded defect at both targets, and nothing on a clean run."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from invoice_bridge.core.losses import Severity
from invoice_bridge.explain import losses_of
from invoice_bridge.migrate import Verification
from invoice_bridge.migrate.documents import differences_of
from invoice_bridge.testing.documents import documents
from tests.migrate.moves import Move, move

Document = dict[str, Any]
Documents = dict[str, Document]
DAY = 86_400


def _first(all_: Documents) -> Document:
    return next(iter(all_.values()))


def _change(act: Callable[[Document], object]) -> Callable[[Documents], object]:
    return lambda all_: act(_first(all_))


def _twin(all_: Documents) -> None:
    all_["twin"] = {**copy.deepcopy(_first(all_)), "id": "twin"}


def _drop(all_: Documents) -> None:
    del all_[next(iter(all_))]


# each: the finding's kind, a word of its detail, and the defect at Chargebee and at Stripe
DEFECTS: dict[str, tuple[str, str, Callable[[Documents], object], Callable[[Documents], object]]] = {
    "a cent": (
        "differs", "total is",
        _change(lambda one: one.update(total=one["total"] + 1)),
        _change(lambda one: one.update(total=one["total"] + 1)),
    ),
    "a cent that is paid": (
        "differs", "amount paid is",
        _change(lambda one: one.update(amount_paid=one["amount_paid"] - 1)),
        _change(lambda one: one.update(amount_paid=one["amount_paid"] - 1)),
    ),
    "a line's amount": (
        "differs", "lines is",
        _change(lambda one: one["line_items"][0].update(amount=one["line_items"][0]["amount"] + 1)),
        _change(lambda one: one["rows"][0].update(amount=one["rows"][0]["amount"] + 1)),
    ),
    "a line less": (
        "differs", "lines is",
        _change(lambda one: one["line_items"].pop()),
        _change(lambda one: one["rows"].pop()),
    ),
    "a line's text": (
        "differs", "lines[].description is",
        _change(lambda one: one["line_items"][0].update(description="Something else")),
        _change(lambda one: one["rows"][0].update(description="Something else")),
    ),
    "the date": (
        "differs", "issued_at is",
        _change(lambda one: one.update(date=one["date"] + DAY)),
        _change(lambda one: one.update(effective_at=one["effective_at"] + DAY)),
    ),
    "the status": (
        "differs", "status is",
        _change(lambda one: one.update(status="not_paid")),
        _change(lambda one: one.update(status="open")),
    ),
    "the number": (
        "differs", "number is",
        None,  # type: ignore[dict-item]  # Chargebee's number is the document's id: another one is missing
        _change(lambda one: one.update(number="OTHER-1")),
    ),
    "the currency": (
        "differs", "currency is",
        _change(lambda one: one.update(currency_code="USD")),
        _change(lambda one: one.update(currency="usd")),
    ),
    "the customer": (
        "differs", "customer.id is cus_43",
        _change(lambda one: one.update(customer_id="cus_43")),
        _change(lambda one: one.update(customer="cus_43")),
    ),
    "one missing": ("missing", "has no document", _drop, _drop),
    "one doubled": ("doubled", "also has twin", _twin, _twin),
}  # fmt: skip


@pytest.fixture(scope="module", params=[("stripe", "chargebee"), ("chargebee", "stripe")], ids=["Chargebee", "Stripe"])
def between(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Move]:
    with move(tmp_path_factory.mktemp("verify"), *request.param) as made:
        made.fill(4, ("paid",))
        with made.migration() as migration:
            migration.plan(customers=made.customers)
            migration.run(allow=migration.preview().stopping)
        yield made


def verify(between: Move, defect: Callable[[Documents], object] | None) -> Verification:
    """Verify with a defect in the target's documents, which are restored afterwards."""
    found: Documents = between.emulators[between.target["provider"]].invoices
    kept = copy.deepcopy(dict(found))
    try:
        if defect is not None:
            defect(found)
        with between.migration() as migration:
            return migration.verify()
    finally:
        found.clear()
        found.update(kept)


@pytest.mark.parametrize("name", DEFECTS)
def test_verify_finds_the_defect(between: Move, name: str) -> None:
    """One finding, of that document, that names what is wrong; and without the defect none."""
    kind, word, at_chargebee, at_stripe = DEFECTS[name]
    defect = at_chargebee if between.target["provider"] == "chargebee" else at_stripe
    if defect is None:
        pytest.skip("at Chargebee a document's number is its id: another one is 'one missing'")
    clean = verify(between, None)
    assert (clean.ok, clean.verified, clean.findings) == (True, 4, ())
    made = verify(between, defect)
    assert not made.ok
    assert {finding.kind for finding in made.findings} == {kind}
    assert len({finding.reference for finding in made.findings}) == 1
    assert word in " ".join(finding.detail for finding in made.findings)


@pytest.mark.parametrize("target", ["chargebee", "stripe"])
def test_a_clean_import_of_every_kind_differs_in_nothing(target: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each document of the conformance suite, imported and read back, equals its import but for declared losses."""
    with move(tmp_path_factory.mktemp("clean"), "stripe" if target == "chargebee" else "chargebee", target) as made:
        emulator = made.emulators[target]
        seen = 0
        with made.client("target") as client, made.migration() as migration:
            context = migration.target.context
            for command in documents(emulator.customer):
                plan = client.explain(command)
                if plan.refusal is not None or not command.armed:  # what is not issued yet is a draft at Stripe
                    continue
                if any(loss.severity is Severity.CHANGES_MONEY for loss in plan.losses):
                    continue  # no loss excuses money: such a document is a finding
                done = client.import_invoice(command, allow=[loss.code for loss in losses_of(command, context)])
                wrong = differences_of(command, client.retrieve(done.id), context)
                assert (command.reference, [str(one) for one in wrong]) == (command.reference, [])
                seen += 1
        assert seen > 8
