"""What operators see of the whole platform at one moment, and how it went over the last hour and day."""
