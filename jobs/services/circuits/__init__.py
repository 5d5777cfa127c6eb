"""What keeps jobs from running, as stored: circuits opened, probed, closed and shown; outages on record."""
