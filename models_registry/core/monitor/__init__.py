"""What of a version's jobs is watched for drift: the option `monitor`, and its check at registration."""
