"""What a load test sends, and what its figures mean: send times, goals, sums, the verdict, comparisons."""
