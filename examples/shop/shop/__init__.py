"""A small shop that bills its customers at the end of each month, by one provider or by two."""
