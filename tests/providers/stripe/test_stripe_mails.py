"""How often a customer is mailed by each reading of Stripe's documentation."""

import pytest

from invoice_bridge import Collection, Money, OneTimeCharge
from invoice_bridge.providers.stripe.emulator import StripeEmulator
from tests.clients import emulated_at


def _bill(collection: Collection) -> OneTimeCharge:
    return OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1999, "EUR"), collection=collection)


@pytest.mark.parametrize("finalizing_mails", [False, True])
def test_a_manual_bill_that_is_sent_by_hand_is_mailed_once(finalizing_mails: bool) -> None:
    """Whatever finalizing a send_invoice invoice does: it is none when it is finalized."""
    emulator = StripeEmulator(switches={"finalize_mails_send_invoice": finalizing_mails})
    client, _ = emulated_at("stripe", emulator)
    made = client.create(_bill(Collection.manual()))
    client.send_invoice(made.id)
    assert [entry.event for entry in emulator.ledger].count("mailed") == 1


@pytest.mark.parametrize("finalizing_mails, mails", [(False, 1), (True, 2)])
def test_a_bill_to_send_is_mailed_once_if_finalizing_mails_nobody(finalizing_mails: bool, mails: int) -> None:
    """The other reading is not confirmed, and documented in docs/how-to/exactly-once.md: two mails of one invoice."""
    emulator = StripeEmulator(switches={"finalize_mails_send_invoice": finalizing_mails})
    client, network = emulated_at("stripe", emulator)
    client.create(_bill(Collection.send(net_days=14)))
    assert [entry.event for entry in emulator.ledger].count("mailed") == mails
    finalized = [request for request in network.sent if request.url.endswith("/finalize")]
    assert [request.content for request in finalized] == [b"auto_advance=false"]
