"""Renderers write results as text, Markdown, LaTeX, JSON, DOT, SVG, a trace or a page, by `registry.RENDERERS`."""
