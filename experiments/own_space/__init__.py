"""What the commands of a user's own file share."""
