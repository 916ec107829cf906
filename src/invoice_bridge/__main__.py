"""`python -m invoice_bridge`: the command line."""

from invoice_bridge.cli import main

if __name__ == "__main__":
    main()
