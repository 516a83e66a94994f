"""Renderers write results as text, Markdown, JSON, DOT, SVG, a trace or a page; `registry.RENDERERS` lists them."""
