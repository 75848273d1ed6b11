"""What searches ask, what an architecture costs, what is said of a search."""
