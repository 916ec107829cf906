"""Values: money, exact JSON, invoices, commands, requests, errors, losses and keys. Imports nothing above itself."""
