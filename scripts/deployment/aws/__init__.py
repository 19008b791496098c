"""What a deployment asks of AWS: `account` only reads; `buckets`, `event_rules` and `functions` change things."""
