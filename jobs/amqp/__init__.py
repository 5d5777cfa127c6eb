"""The broker: its topology as data, and the confirmed publisher."""
