"""The requests that were tried, across processes: rows, their claims, and the file that stores them."""
