"""The kit of a provider's adapter: what it declares, reads, checks and looks up. Imports core alone."""
