"""Around every command: its flags, its mistakes, its progress, its devices."""
