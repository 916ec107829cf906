"""Move what has ended from Chargebee to Stripe: read billing.toml's profiles, and accept losses by name."""

from invoice_bridge.migrate import Migration

ALLOW = ["IB-STRIPE-IMPORT-CREATED-01", "IB-STRIPE-IMPORT-DUE-01", "IB-STRIPE-IMPORT-PAID-AT-01"]

with Migration.from_config("migration.sqlite", "moving.toml", source="old", target="new") as migration:
    migration.plan(customers="customers.csv")
    print(migration.preview())
    migration.run(first=3, allow=ALLOW)
    migration.run(allow=ALLOW)
    print(migration.verify())
    migration.write_evidence("evidence")
