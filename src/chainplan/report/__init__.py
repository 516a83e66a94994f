"""Result -> text, markdown, json, dot; one renderer per file, one visible table (`table.RENDERERS`)."""
