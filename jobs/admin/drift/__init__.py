"""The pages of drift: each watched field by hour, as a picture with its numbers beside it."""
