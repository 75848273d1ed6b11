"""Networks that are really trained: supernets, found architectures, the digits table."""
