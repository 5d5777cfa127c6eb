"""The pages of flags: those in force, each change as a difference, and buttons for those who may roll out."""
