"""What both apps build on: the root of their errors, checks of JSON values, and read-only admin pages."""
