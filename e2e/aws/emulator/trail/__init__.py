"""CloudTrail's half that moto lacks: what was called becomes log files in the trails' buckets."""
