"""CloudTrail's half that moto lacks: calls become log files in the trails' buckets."""
