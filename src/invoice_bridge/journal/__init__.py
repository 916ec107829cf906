"""What was tried, across processes: rows, what they claim, and the file that keeps them. Above the engine."""
