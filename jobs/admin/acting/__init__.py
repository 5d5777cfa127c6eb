"""What an operator does from the pages: to one job, to all that match, and to what runs at all."""
