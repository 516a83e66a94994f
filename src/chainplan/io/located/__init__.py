"""YAML and JSON read with the place of every value, so that errors name line and column."""
