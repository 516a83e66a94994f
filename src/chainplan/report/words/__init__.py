"""Results in words and numbers: tables, sentences and charts in plain text."""
