"""ChargeAPI documents no event of an invoice (docs.chargeapi.co/webhooks), so its emulator reports none."""

from __future__ import annotations

from typing import Final

REPORTS: Final = None
