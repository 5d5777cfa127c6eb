"""How Django writes times where no page of ours does: as those do."""
