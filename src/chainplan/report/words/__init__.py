"""Results in words: tables, sentences, text charts."""
