"""What the simulator learns from the ledger of batches."""
